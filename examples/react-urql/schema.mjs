// Writes the schema of a service to schema.graphql: npm run schema -- [URL]
// LABELLING_URL names the service too, and LABELLING_KEY is the API key of one that needs a key.
import { writeFile } from 'node:fs/promises';

import { buildClientSchema, getIntrospectionQuery, printSchema } from 'graphql';

const { LABELLING_URL = 'http://127.0.0.1:8000', LABELLING_KEY } = process.env;
const url = (process.argv[2] ?? LABELLING_URL).replace(/\/(graphql\/?)?$/, '');

function fail(message) {
  console.error(message);
  process.exit(1);
}

const answer = await fetch(`${url}/graphql`, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    ...(LABELLING_KEY && { authorization: `Bearer ${LABELLING_KEY}` }),
  },
  body: JSON.stringify({ query: getIntrospectionQuery() }),
}).catch(({ message, cause }) =>
  fail(`${url} does not answer (${cause?.code ?? message}). Start the service, or name another: npm run schema -- URL`));
const { data, errors } = await answer.json().catch(() => fail(`${url}/graphql is not a GraphQL API.`));
if (answer.status === 401) fail(`${url} needs an API key: set LABELLING_KEY to a valid one.`);
if (!data) fail(`${url}: ${errors?.[0].message ?? `HTTP ${answer.status}`}`);
await writeFile('schema.graphql', printSchema(buildClientSchema(data)));
