// An OpenID Connect issuer on loopback, by the certified library oidc-provider. It prints its URL.
//
//     node issuer.mjs AUDIENCE
//
// `robot` is a program with a secret (client credentials). `page` is a page without one, whose users
// sign in by any name (authorization code with PKCE); it asks for an ID token too.

import { createServer } from "node:http";
import Provider from "oidc-provider";

const [audience] = process.argv.slice(2);
const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}`;
const scopes = "labelling:read labelling:upload";

const provider = new Provider(url, {
  clients: [
    {
      client_id: "robot",
      client_secret: "secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: "page",
      token_endpoint_auth_method: "none",
      redirect_uris: ["https://labels.example/signed-in"],
    },
  ],
  scopes: ["openid", ...scopes.split(" ")],
  claims: { openid: ["sub"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource,
        scope: scopes,
        accessTokenFormat: "jwt",
        accessTokenTTL: 600,
      }),
      useGrantedResource: () => true,
      defaultResource: () => audience,
    },
  },
  cookies: { keys: ["of the tests"] },
});
server.on("request", provider.callback());
console.log(url);
