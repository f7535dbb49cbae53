// The state of the operator's page, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AdminClient, pathOf } from '../../../web/gallery/src/admin/client.js';
import { Console } from '../../../web/gallery/src/admin/console.js';
import { Notices } from '../../../web/gallery/src/state/notices.js';

/** A console whose requests wait in `asked` for an answer. */
function rig() {
  const asked = [];
  const send = (url, { method }) => new Promise((resolve, fail) => {
    const answer = (body, status = 200) => resolve({ ok: status < 300, status, json: async () => body });
    asked.push({ path: url.pathname + url.search, method, answer, fail });
  });
  const session = {
    page: { baseURI: 'http://labels.test/below/admin' },
    authorization: undefined,
    signedIn: 'ops',
    takeOver: async () => {},
    caller: async () => (session.signedIn ? { owner: session.signedIn, scopes: ['operator'] } : null),
    change: async (key) => { session.signedIn = key; },
  };
  const notices = new Notices();
  return { asked, session, notices, console: new Console({ client: new AdminClient(session, send), session, notices }) };
}

const settled = () => new Promise((done) => { setImmediate(done); });

test('a refresh does not overlap another, and reads open lists alone', async () => {
  const { asked, console } = rig();
  const first = console.refresh();
  assert.equal(console.refresh(), first);
  assert.deepEqual(asked.map(({ path }) => path), ['/below/admin/status']);
  asked[0].answer({ at: 1 });
  await first;
  assert.deepEqual(console.status.value, { at: 1 });
  const opening = console.keys.toggle(true);
  asked[1].answer({ items: [], has_next: false });
  await opening;
  const second = console.refresh();
  asked[2].answer({ at: 2 });
  await settled();
  assert.deepEqual(asked.slice(2).map(({ path }) => path), ['/below/admin/status', '/below/admin/keys?limit=50']);
  asked[3].answer({ items: [{ id: 'k' }], has_next: true });
  await second;
  assert.deepEqual(console.keys.items.value, [{ id: 'k' }]);
  assert.equal(console.keys.canGrow, true);
});

test('a failed refresh leaves what is shown, and a refusal forgets it', async () => {
  const { asked, console } = rig();
  const refreshed = async (act) => {
    const refresh = console.refresh();
    act(asked.at(-1));
    await refresh;
  };
  await refreshed(({ answer }) => answer({ at: 1 }));
  await refreshed(({ fail }) => fail(new Error('no network')));
  assert.equal(console.problem.value, 'The service can’t be reached.');
  assert.deepEqual(console.status.value, { at: 1 });
  await refreshed(({ answer }) => answer({ code: 'FORBIDDEN', detail: 'not you' }, 403));
  assert.equal(console.refused.value, 'not you');
  assert.equal(console.status.value, null);
  assert.equal(console.problem.value, '');
});

test('what arrives after signing out is not kept', async () => {
  const { asked, console } = rig();
  const refresh = console.refresh();
  await console.signOut();
  asked[0].answer({ at: 1 });
  await refresh;
  assert.equal(console.status.value, null);
  assert.equal(console.refused.value, 'You are signed out.');
});

test('a refresh that is refused after signing out does not replace the reason', async () => {
  const { asked, console } = rig();
  const refresh = console.refresh();
  await console.signOut();
  asked[0].answer({ code: 'UNAUTHENTICATED', detail: 'A key is needed.' }, 401);
  await refresh;
  assert.equal(console.refused.value, 'You are signed out.');
});

test('a change is made once it is confirmed, and the page is read again', async () => {
  const { asked, console, notices } = rig();
  console.retry({ queue: 'uploads', id: '7', subject: null });
  assert.equal(asked.length, 0);
  const done = console.confirm();
  assert.equal(console.confirming.value, null);
  assert.deepEqual([asked[0].method, asked[0].path], ['POST', '/below/admin/dead-letters/uploads/7/retry']);
  asked[0].answer({ retried: 1 });
  await settled();
  asked[1].answer({ at: 2 });
  await done;
  assert.deepEqual(notices.list.value.map(({ text }) => text), ['Message 7 was sent back to uploads.']);
  assert.deepEqual(console.status.value, { at: 2 });
  notices.list.value.forEach(({ close }) => close());
});

test('a change that fails says why', async () => {
  const { asked, console, notices } = rig();
  console.revoke({ id: 'abc', owner: 'anna', name: '' });
  const done = console.confirm();
  asked[0].answer({ code: 'NOT_FOUND', detail: 'There is no API key abc.' }, 404);
  await settled();
  asked[1].answer({});
  await done;
  assert.deepEqual(notices.list.value.map(({ text }) => text), ['There is no API key abc.']);
  notices.list.value.forEach(({ close }) => close());
});

test('an answer for a state that is no longer chosen is dropped', async () => {
  const { asked, console } = rig();
  const opening = console.deliveries.toggle(true);
  console.state.value = 'gone';
  asked[0].answer({ items: [{ id: 'exhausted' }], has_next: false });
  await opening;
  assert.equal(console.deliveries.items.value, null);
});

test('parts of a path are encoded', () => {
  assert.equal(pathOf('keys', 'a/b?c', 'revoke'), 'keys/a%2Fb%3Fc/revoke');
});
