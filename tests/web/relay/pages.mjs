// Loads pictures page by page as Relay does: node pages.mjs http://127.0.0.1:8000/graphql LABEL
// Prints lines of JSON: ids of `blobs` after each page, then of `blobsByLabel`, then one refetched.
// `relay-compiler` in this folder comes first.
import runtime from 'relay-runtime';

import blobQuery from './__generated__/picturesBlobQuery.graphql.js';
import foundPage from './__generated__/picturesFoundPageQuery.graphql.js';
import listPage from './__generated__/picturesPageQuery.graphql.js';
import page from './__generated__/picturesQuery.graphql.js';
import found from './__generated__/pictures_found.graphql.js';
import list from './__generated__/pictures_list.graphql.js';
import picture from './__generated__/pictures_picture.graphql.js';
import refetched from './__generated__/pictures_refetched.graphql.js';

const { createOperationDescriptor, Environment, fetchQuery, getSingularSelector, Network, RecordSource, Store } = runtime;
const [, , url, label] = process.argv;

const environment = new Environment({
  network: Network.create(async ({ text }, variables) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query: text, variables }),
    });
    return response.json();
  }),
  store: new Store(new RecordSource()),
});

const read = (fragment, parent) => environment.lookup(getSingularSelector(fragment, parent)).data;
const root = (query, variables) => environment.lookup(createOperationDescriptor(query, variables).fragment).data;

async function pages(fragment, query, field, variables) {
  let top = root(page, { label });
  for (;;) {
    const connection = read(fragment, top)[field];
    const ids = connection.edges.map(({ node }) => read(picture, node).id);
    console.log(JSON.stringify({ [field]: ids }));
    if (!connection.pageInfo.hasNextPage) return ids;
    const more = { ...variables, count: 2, cursor: connection.pageInfo.endCursor };
    await fetchQuery(environment, query, more).toPromise();
    top = root(page, { label });
  }
}

const operation = createOperationDescriptor(page, { label });
environment.retain(operation);
await fetchQuery(environment, page, { label }).toPromise();
const [first] = await pages(list, listPage, 'blobs', {});
await pages(found, foundPage, 'blobsByLabel', { label });
await fetchQuery(environment, blobQuery, { id: first }).toPromise();
const { node } = root(blobQuery, { id: first });
console.log(JSON.stringify({ refetched: read(refetched, node) }));
