// The state of the gallery without a browser: the network is a function of the test.
import { Client } from '../../../web/gallery/src/api/client.js';
import { Session } from '../../../web/gallery/src/api/session.js';
import { Collection } from '../../../web/gallery/src/state/collection.js';
import { Notices } from '../../../web/gallery/src/state/notices.js';

globalThis.URL.createObjectURL ??= () => 'blob:preview';

/** A storage of a browser. */
export function storage(values = {}) {
  const kept = new Map(Object.entries(values));
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
  };
}

/**
 * A client whose responses `answer(name, variables)` returns, by the name of the operation. It may return a promise.
 * `asked` lists the operations with their variables.
 */
export function clientOf(answer) {
  const page = { querySelector: () => null, baseURI: 'http://gallery.test/' };
  const session = new Session(storage(), page);
  const asked = [];
  const client = new Client(session, async (_url, { body, headers, keepalive }) => {
    const { query, variables } = JSON.parse(body);
    const name = /(?:query|mutation) (\w+)/.exec(query)[1];
    asked.push({ name, variables, headers, keepalive });
    const data = await answer(name, variables);
    return { status: 200, json: async () => ({ data }) };
  });
  return { client, session, asked };
}

/** A labelled blob. */
export const blobOf = (id, more = {}) => ({
  id,
  status: 'LABELLED',
  fileName: null,
  contentType: 'JPEG',
  createdAt: '2026-01-31T12:00:00.000Z',
  labels: [{ name: 'Cat', confidence: 90, parents: [], confirmedAt: null }],
  failure: null,
  thumbnailUrl: null,
  downloadUrl: `http://gallery.test/${id}?signature=1`,
  ...more,
});

/** One page of a list. */
export const pageOf = (nodes, more = {}) => ({
  page: { nodes, totalCount: null, matchedLabels: null, pageInfo: { hasNextPage: false, endCursor: null }, ...more },
});

/** A collection that shows these blobs, with the parts that use it. */
export async function shown(blobs, answer = () => ({})) {
  const parts = clientOf((name, variables) => (name === 'List' ? pageOf(blobs) : answer(name, variables)));
  const collection = new Collection(parts.client);
  await collection.more();
  return { ...parts, collection, notices: new Notices() };
}

/** A promise with the functions that settle it. */
export function later() {
  let settle;
  const promise = new Promise((done, fail) => { settle = { done, fail }; });
  return { promise, ...settle };
}

/** Lets all promises that can settle do so. */
export const settled = () => new Promise((done) => { setImmediate(done); });
