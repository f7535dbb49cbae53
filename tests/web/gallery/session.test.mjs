import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../../../web/gallery/src/api/client.js';
import { Session } from '../../../web/gallery/src/api/session.js';
import { clientOf, storage } from './support.mjs';

const page = (settings = {}) => ({
  baseURI: 'https://gallery.test/labels/',
  querySelector: (selector) => {
    const content = settings[/"labelling-(\w+)"/.exec(selector)[1]];
    return content ? { content } : null;
  },
});

test('the browser keeps the key until it is forgotten', () => {
  const kept = storage();
  new Session(kept, page()).keep('lbl_1');
  const session = new Session(kept, page());
  assert.equal(session.authorization, 'Bearer lbl_1');
  session.keep('');
  assert.equal(kept.getItem('labelling:key'), null);
  assert.equal(new Session(kept, page()).authorization, undefined);
});

test('the endpoints are beside the page, or where its settings say', () => {
  const near = new Session(storage(), page());
  assert.equal(near.endpoint.href, 'https://gallery.test/labels/graphql');
  assert.equal(near.liveEndpoint.href, 'wss://gallery.test/labels/graphql');
  const far = new Session(storage(), page({ api: 'https://api.test/graphql', live: 'wss://live.test/v1' }));
  assert.equal(far.endpoint.href, 'https://api.test/graphql');
  assert.equal(far.liveEndpoint.href, 'wss://live.test/v1');
});

test('a key is tried without being stored', async () => {
  const { client, session, asked } = clientOf(() => ({ viewer: { owner: 'anna' } }), { key: 'lbl_old' });
  await client.ask('query Viewer { viewer { owner } }', {}, { key: 'lbl_new' });
  assert.equal(asked[0].headers.Authorization, 'Bearer lbl_new');
  assert.equal(session.key, 'lbl_old');
});

test('a failed request says whether a retry can succeed', async () => {
  const session = new Session(storage(), page());
  const failing = async (send) => {
    const error = await new Client(session, send).ask('query Q { __typename }').catch((thrown) => thrown);
    return [error.message, error.passing, session.reachable.value];
  };
  assert.deepEqual(await failing(async () => { throw new TypeError('Failed to fetch'); }), ['The service can’t be reached.', true, false]);
  const answer = (status, body) => async () => ({ status, json: async () => body });
  assert.deepEqual(await failing(answer(200, { errors: [{ message: 'No.', extensions: { code: 'BAD_USER_INPUT' } }] })), ['No.', false, true]);
  assert.deepEqual(await failing(answer(503, null)), ['The service responded with status 503 and no GraphQL.', false, false]);
});
