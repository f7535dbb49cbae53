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

/** Runs with a fetch that records requests and answers with a status, or fails for 0; a later GET with `kept`. */
async function served(status, run, body = {}, kept = status) {
  const sent = [];
  const former = globalThis.fetch;
  globalThis.fetch = async (url, { method = 'GET', headers = {} } = {}) => {
    if (method !== 'GET') sent.push([method, url.href, headers.Authorization]);
    if (!status) throw new TypeError('Failed to fetch');
    const answered = method === 'GET' ? kept : status;
    return { ok: answered < 400, status: answered, json: async () => body };
  };
  try {
    await run(sent);
  } finally {
    globalThis.fetch = former;
  }
}

const elsewhere = () => page({ api: 'https://api.test/graphql' });

test('the page of the service signs in and out without keeping the key', () =>
  served(200, async (sent) => {
    const kept = storage();
    const session = new Session(kept, page(), kept);
    assert.equal(await session.change('lbl_1'), undefined);
    assert.equal(session.authorization, undefined);
    assert.equal(kept.getItem('labelling:key'), null);
    assert.equal(await session.change(''), undefined);
    assert.deepEqual(sent, [
      ['POST', 'https://gallery.test/labels/session', 'Bearer lbl_1'],
      ['DELETE', 'https://gallery.test/labels/session', undefined],
    ]);
  }, { owner: 'anna' }));

test('a page learns that its browser keeps no cookie, and a stored key stays', () =>
  served(200, async () => {
    const former = storage({ 'labelling:key': 'lbl_old' });
    const session = new Session(storage(), page(), former);
    assert.match(await session.change('lbl_1'), /did not keep the session/);
    await session.takeOver();
    assert.equal(former.getItem('labelling:key'), 'lbl_old');
  }, { owner: 'anna' }, 204));

test('signing in says why it failed', async () => {
  const session = new Session(storage(), page());
  const detail = "A valid API key is needed: send one as 'Authorization: Bearer <key>'. The operator creates one.";
  await served(401, async () => assert.equal(await session.change('lbl_1'), 'This key is not valid.'), { detail });
  await served(502, async () => assert.equal(await session.change('lbl_1'), 'The service responded with status 502.'), null);
  await served(0, async () => assert.equal(await session.change('lbl_1'), 'The service can’t be reached.'));
});

test('a key that an earlier version stored becomes a session', () =>
  served(200, async (sent) => {
    const former = storage({ 'labelling:key': 'lbl_old' });
    const session = new Session(storage(), page(), former);
    await session.takeOver();
    await session.takeOver();
    assert.deepEqual(sent, [['POST', 'https://gallery.test/labels/session', 'Bearer lbl_old']]);
    assert.equal(former.getItem('labelling:key'), null);
    assert.equal(session.authorization, undefined);
  }, { owner: 'anna' }));

for (const [status, left] of [[401, null], [0, 'lbl_old'], [429, 'lbl_old'], [503, 'lbl_old']]) {
  test(`a stored key ${left ? 'stays' : 'is removed'} when the service answers ${status || 'nothing'}`, () =>
    served(status, async () => {
      const former = storage({ 'labelling:key': 'lbl_old' });
      await new Session(storage(), page(), former).takeOver();
      assert.equal(former.getItem('labelling:key'), left);
    }));
}

test('a page on another host keeps the key in its tab', () =>
  served(500, async (sent) => {
    const tab = storage();
    const former = storage({ 'labelling:key': 'lbl_old' });
    const session = new Session(tab, elsewhere(), former);
    await session.takeOver();
    assert.equal(former.getItem('labelling:key'), null);
    assert.equal(session.authorization, 'Bearer lbl_old');
    await session.change('lbl_1');
    assert.equal(new Session(tab, elsewhere(), former).authorization, 'Bearer lbl_1');
    await session.change('');
    assert.equal(tab.getItem('labelling:key'), null);
    assert.deepEqual(sent, []);
  }));

test('other tabs hear of signing in and out, and those of other services do not', () =>
  served(200, async () => {
    const heard = [];
    const another = { ...page(), baseURI: 'https://gallery.test/others/#/explore' };
    const sessions = [page(), { ...page(), baseURI: 'https://gallery.test/labels/admin' }, another].map((each, number) => {
      const session = new Session(storage(), each);
      session.watch(() => heard.push(number));
      return session;
    });
    const told = new Promise((done) => { sessions[1].tabs.addEventListener('message', done); });
    await sessions[2].change('lbl_1'); // nobody hears of it
    await sessions[0].change('lbl_1');
    await told;
    assert.deepEqual(heard, [1]);
    for (const { tabs } of sessions) tabs.close();
  }, { owner: 'anna' }));

test('the page knows as whom it is signed in', async () => {
  const anna = { owner: 'anna', scopes: ['read'] };
  const session = new Session(storage(), page());
  await served(200, async () => assert.deepEqual(await session.caller(), anna), anna);
  await served(204, async () => assert.equal(await session.caller(), null));
  await served(0, async () => assert.equal(await session.caller(), null));
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
  const { client, session, asked } = clientOf(() => ({ viewer: { owner: 'anna' } }));
  await client.ask('query Viewer { viewer { owner } }', {}, { key: 'lbl_new' });
  assert.equal(asked[0].headers.Authorization, 'Bearer lbl_new');
  assert.equal(session.key, '');
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
