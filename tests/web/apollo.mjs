// Asks with Apollo Client and automatic persisted queries: node apollo.mjs http://127.0.0.1:8000/graphql
// Prints each request as one line of JSON: {method, query, hash, status, error}; then the data.
import { createHash } from 'node:crypto';

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';

const uri = process.argv[2];

async function fetchAndTell(url, options) {
  const answer = await fetch(url, options);
  const params = new URL(url).searchParams;
  const asked = options.body
    ? JSON.parse(options.body)
    : { query: params.get('query') ?? undefined, extensions: JSON.parse(params.get('extensions')) };
  const { errors } = await answer.clone().json();
  console.log(
    JSON.stringify({
      method: options.method,
      query: asked.query !== undefined,
      hash: asked.extensions?.persistedQuery !== undefined,
      status: answer.status,
      error: errors?.[0].extensions.code ?? null,
    }),
  );
  return answer;
}

const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.from([
    new PersistedQueryLink({
      sha256: (text) => createHash('sha256').update(text).digest('hex'),
      useGETForHashedQueries: true,
    }),
    new HttpLink({ uri, fetch: fetchAndTell }),
  ]),
});
const query = gql`
  query Labels($first: Int!) {
    labels(first: $first) {
      nodes {
        name
      }
    }
  }
`;
for (const first of [5, 6]) {
  const { data } = await client.query({ query, variables: { first }, fetchPolicy: 'network-only' });
  console.log(JSON.stringify(data));
}
