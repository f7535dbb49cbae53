// Uploads and asks with urql: node urql.mjs http://127.0.0.1:8000/graphql PICTURE
// Prints lines of JSON: each request's {method, query, status}; then what came of it.
import { readFileSync } from 'node:fs';

import { cacheExchange, Client, fetchExchange, gql } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';

const [, , url, picture] = process.argv;
const tell = (line) => console.log(JSON.stringify(line));

async function fetchAndTell(target, options) {
  const answer = await fetch(target, options);
  const asked = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(target).searchParams);
  tell({ method: options.method, query: Boolean(asked.query), status: answer.status });
  return answer;
}

const client = new Client({
  url,
  fetch: fetchAndTell,
  preferGetMethod: 'within-url-limit',
  exchanges: [cacheExchange, persistedExchange({ preferGetForPersistedQueries: true }), fetchExchange],
});

const CREATE = gql`
  mutation ($input: CreateUploadInput!) {
    createUpload(input: $input) {
      __typename
      ... on CreatedUpload {
        blob { id status }
        target { method url headers { name value } }
      }
      ... on Error { message }
    }
  }
`;
const BLOB = gql`
  query ($id: ID!) {
    blob(id: $id) { id status labels { name } }
  }
`;

const refused = await client.mutation(CREATE, { input: { contentType: 'PNG', sizeBytes: 0 } });
tell({ refused: refused.data.createUpload.__typename });
const wrong = await client.query(gql`{ nothing }`, {});
tell({ wrong: wrong.error.graphQLErrors[0].extensions.code });

const { data } = await client.mutation(CREATE, { input: { contentType: 'PNG' } });
const { blob, target } = data.createUpload;
const put = await fetch(target.url, {
  method: target.method,
  headers: target.headers.map(({ name, value }) => [name, value]),
  body: readFileSync(picture),
});
tell({ put: put.status });
for (let known; known?.status !== 'LABELLED'; await new Promise((done) => { setTimeout(done, 50); })) {
  known = (await client.query(BLOB, { id: blob.id }, { requestPolicy: 'network-only' })).data.blob;
  if (known.status === 'LABELLED') tell({ labels: known.labels.map(({ name }) => name) });
}
// By now the document is known.
await client.query(BLOB, { id: blob.id }, { requestPolicy: 'network-only' });
