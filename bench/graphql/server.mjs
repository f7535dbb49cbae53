// Apollo Server or graphql-yoga, answering from memory what the service answered.
//
//   node server.mjs apollo|yoga schema.graphql answers.json
//
// Says its port once it listens, and stops when its standard input ends.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { createSchema, createYoga } from "graphql-yoga";

const [which, schemaFile, answersFile] = process.argv.slice(2);
const typeDefs = readFileSync(schemaFile, "utf8");
const answers = JSON.parse(readFileSync(answersFile, "utf8"));
const resolvers = {
  Query: { blobs: () => answers.blobs },
  Mutation: { createUpload: () => answers.createUpload },
};

const servers = {
  async apollo() {
    const server = new ApolloServer({ typeDefs, resolvers });
    const { url } = await startStandaloneServer(server, {
      listen: { host: "127.0.0.1", port: 0 },
    });
    return new URL(url).port;
  },
  async yoga() {
    const yoga = createYoga({
      schema: createSchema({ typeDefs, resolvers }),
      logging: false,
      graphiql: false,
      graphqlEndpoint: "/",
    });
    const server = createServer(yoga);
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    return server.address().port;
  },
};

console.log(await servers[which]());
process.stdin.resume().on("end", () => process.exit());
