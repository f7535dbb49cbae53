// Audits a GraphQL endpoint: node audit.mjs http://127.0.0.1:8000/graphql
// Prints one line of JSON for each check of npm graphql-http: {id, name, status, reason}.
import { serverAudits } from 'graphql-http';

for (const { id, name, fn } of serverAudits({ url: process.argv[2] })) {
  const { status, reason } = await fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
