import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ServiceError } from '../../../web/gallery/src/api/client.js';
import { FinalError, TooLargeError } from '../../../web/gallery/src/api/put.js';
import { Uploads } from '../../../web/gallery/src/state/uploads.js';
import { blobOf, later, settled, shown } from './support.mjs';

const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0]);
const fileOf = (name, content = PNG) => new File([content], name);

/** Uploads whose bytes `send` takes; each blob has the name of its idempotency key's number. */
async function uploadsOf({ send = async () => {}, create } = {}) {
  let number = 0;
  const created = () => {
    number += 1;
    return { createUpload: { blob: { id: `blob ${number}`, status: 'AWAITING_UPLOAD' }, target: { maxBytes: 2_000_000 } } };
  };
  const parts = await shown([], (_name, variables) => (create ?? created)(variables, created));
  const sent = [];
  const uploads = new Uploads({ ...parts, send, onSent: ({ id }) => sent.push(id) });
  /** Waits until nothing is being sent. */
  const over = async () => {
    while (uploads.sending || uploads.waiting.length) await settled();
  };
  return { ...parts, uploads, sent, over };
}

test('at most four files are sent at a time', async () => {
  const ends = [];
  const { uploads, over } = await uploadsOf({ send: () => new Promise((done) => { ends.push(done); }) });
  uploads.add(Array.from({ length: 6 }, (_, index) => fileOf(`${index}.png`)));
  while (ends.length < 4) await settled();
  assert.equal(uploads.sending, 4);
  assert.equal(uploads.waiting.length, 2);
  while (uploads.progress.value.done < 6) {
    ends.shift()?.();
    await settled();
  }
  await over();
  assert.deepEqual(uploads.progress.value, { total: 6, done: 6, failed: 0, sent: 6 });
});

test('a failed upload can be retried with the same key, and a final one is not', async () => {
  const [keys, names] = [[], []];
  let broken = true;
  const { uploads, over, collection } = await uploadsOf({
    send: async () => {
      if (broken) throw new ServiceError('Rejected.');
    },
    create: ({ input }, created) => {
      keys.push(input.idempotencyKey);
      names.push(input.fileName);
      return created();
    },
  });
  uploads.add([fileOf('a.png'), fileOf('empty.png', new Uint8Array()), fileOf('notes.txt', new TextEncoder().encode('text'))]);
  await over();
  assert.deepEqual(uploads.progress.value, { total: 3, done: 0, failed: 3, sent: 3 });
  const problems = collection.order.map((key) => collection.get(key).upload.problem);
  assert.deepEqual(problems, ['Rejected.', 'The file is empty.', 'Unsupported file type.']);
  const listed = uploads.failures.list.value.map(({ name, remedy, retryable }) => [name, remedy, retryable]).sort();
  assert.deepEqual(listed, [
    ['a.png', 'Try again.', true],
    ['empty.png', 'Copy it from its source again.', false],
    ['notes.txt', 'Save the picture as JPEG or PNG.', false],
  ]);
  broken = false;
  uploads.retry();
  await over();
  assert.deepEqual(uploads.progress.value, { total: 3, done: 1, failed: 2, sent: 3 });
  assert.equal(keys.length, 2);
  assert.equal(new Set(keys).size, 1);
  assert.deepEqual(names, ['a.png', 'a.png']);
});

test('an upload waits while the service is unreachable', async () => {
  let tries = 0;
  const { uploads, over, session } = await uploadsOf({
    send: async () => {
      tries += 1;
      if (tries === 1) throw new ServiceError('The connection was lost.', { code: 'OFFLINE' });
    },
  });
  uploads.add([fileOf('a.png')]);
  while (session.reachable.value) await settled();
  await settled();
  assert.equal(tries, 1);
  session.reachable.value = true;
  await over();
  assert.equal(tries, 2);
  assert.equal(uploads.progress.value.done, 1);
});

test('a file that is too large says its size and the limit', async () => {
  const { uploads, over, collection } = await uploadsOf({ send: async () => { throw new TooLargeError('413', 'Smaller.'); } });
  uploads.add([fileOf('a.png')]);
  await over();
  const { upload } = collection.get('upload 1');
  assert.equal(upload.problem, 'The file has 10 bytes; the limit is 2.0 MB.');
  assert.deepEqual(uploads.failures.list.value.map(({ retryable }) => retryable), [false]);
  assert.ok(new TooLargeError('413', 'Smaller.') instanceof FinalError);
});

test('labels that are faster than the response of the upload stay', async () => {
  const end = later();
  const { uploads, over, collection } = await uploadsOf({ send: () => end.promise });
  uploads.add([fileOf('a.png')]);
  while (!collection.get('upload 1').blob) await settled();
  collection.take(blobOf('blob 1'));
  end.done();
  await over();
  assert.equal(collection.get('upload 1').blob.status, 'LABELLED');
});

test('a labelled picture forgets its upload and frees its preview', async () => {
  const revoked = [];
  const revoke = URL.revokeObjectURL;
  URL.revokeObjectURL = (url) => revoked.push(url);
  try {
    const { uploads, over, collection } = await uploadsOf();
    uploads.add([fileOf('a.png')]);
    const { preview } = collection.get('upload 1').upload;
    await over();
    uploads.release('upload 1');
    assert.deepEqual(revoked, []); // it is not labelled yet
    collection.take(blobOf('blob 1'));
    uploads.release('upload 1');
    assert.deepEqual(revoked, [preview]);
    assert.equal(collection.get('upload 1').upload, null);
    assert.equal(collection.get('upload 1').name, 'a.png');
  } finally {
    URL.revokeObjectURL = revoke;
  }
});

test('failures stay in the list until they are dismissed, which leaves the page without them', async () => {
  const { uploads, over, collection } = await uploadsOf();
  uploads.add([fileOf('empty.png', new Uint8Array()), fileOf('a.png')]);
  await over();
  uploads.add([fileOf('b.png'), fileOf('void.png', new Uint8Array())]);
  await over();
  assert.deepEqual(uploads.failures.list.value.map(({ name }) => name), ['empty.png', 'void.png']);
  assert.deepEqual(uploads.progress.value, { total: 3, done: 1, failed: 2, sent: 3 });
  assert.equal(uploads.refused, 2);
  uploads.dismiss();
  assert.equal(uploads.refused, 0);
  assert.deepEqual(collection.order, ['upload 3', 'upload 2']);
  assert.deepEqual(uploads.failures.list.value, []);
  assert.deepEqual(uploads.progress.value, { total: 1, done: 1, failed: 0, sent: 1 });
});

test('files that failed are counted only where they are shown', async () => {
  const { uploads, over, collection } = await uploadsOf();
  uploads.add([fileOf('empty.png', new Uint8Array())]);
  await over();
  assert.equal(uploads.refused, 1);
  collection.show({ ...collection.search.value, status: 'FAILED' });
  assert.equal(uploads.refused, 0);
});

test('one failed upload is retried alone', async () => {
  let broken = true;
  const { uploads, over } = await uploadsOf({
    send: async () => { if (broken) throw new ServiceError('Rejected.'); },
  });
  uploads.add([fileOf('a.png'), fileOf('b.png')]);
  await over();
  broken = false;
  uploads.retry('upload 2');
  await over();
  assert.deepEqual(uploads.failures.list.value.map(({ name }) => name), ['a.png']);
  assert.deepEqual(uploads.progress.value, { total: 2, done: 1, failed: 1, sent: 2 });
});

test('a picture that could not be labelled is listed with its name, and labelled again where that may help', async () => {
  const failed = (code) => ({ status: 'FAILED', labels: null, failure: { code, message: code } });
  const asked = [];
  let outcomes = [{ message: 'Too many requests.' }];
  const { uploads, over, sent } = await uploadsOf({
    create: (variables, created) => {
      if (variables.input) return created();
      asked.push(variables.ids);
      return { relabelBlobs: { outcomes } };
    },
  });
  uploads.add([fileOf('a.png'), fileOf('b.png'), fileOf('c.png')]);
  await over();
  const { failures } = uploads;
  const listed = () => failures.list.value.map(({ name, reason, retryable }) => [name, reason, retryable]);
  failures.settle('blob 1', blobOf('blob 1', failed('CORRUPT_IMAGE')));
  failures.settle('blob 2', blobOf('blob 2', failed('LABELLER_UNAVAILABLE')));
  failures.settle('blob 2', blobOf('blob 2', failed('LABELLER_UNAVAILABLE'))); // told twice
  failures.settle('blob 3', blobOf('blob 3'));
  failures.settle('another', blobOf('another', failed('CORRUPT_IMAGE'))); // not of this page
  assert.deepEqual(listed(), [['a.png', 'The file is damaged.', false], ['b.png', 'The labeller could not be reached.', true]]);
  await uploads.retry();
  assert.deepEqual(asked, [['blob 2']]);
  assert.deepEqual(listed()[1], ['b.png', 'Too many requests.', true]);
  outcomes = [{}];
  sent.length = 0;
  await uploads.retry('blob 2');
  assert.deepEqual(sent, ['blob 2']); // it is watched again
  failures.settle('blob 2', blobOf('blob 2'));
  failures.settle('blob 1', null); // deleted
  assert.deepEqual(listed(), []);
});

test('an upload whose time is over is created again', async () => {
  const keys = [];
  const { uploads, over, collection, sent } = await uploadsOf({
    create: ({ input }, created) => {
      keys.push(input.idempotencyKey);
      const answer = created();
      if (keys.length === 1) Object.assign(answer.createUpload, { blob: { id: 'old', status: 'EXPIRED' }, target: null });
      return answer;
    },
  });
  uploads.add([fileOf('a.png')]);
  await over();
  assert.equal(new Set(keys).size, 2);
  assert.deepEqual(sent, ['blob 2']);
  assert.equal(uploads.progress.value.done, 1);
  assert.equal(collection.get('upload 1').blob.id, 'blob 2');
});

test('a retry of an upload whose time is over forgets its former picture', async () => {
  const { collection } = await shown([]);
  collection.add([{ key: 'upload 1', name: 'a.png' }]);
  collection.name('upload 1', { id: 'a', status: 'AWAITING_UPLOAD' });
  collection.name('upload 1', { id: 'b', status: 'AWAITING_UPLOAD' });
  collection.take(blobOf('a', { status: 'EXPIRED' }));
  assert.equal(collection.get('upload 1').blob.id, 'b');
});

test('the page tells until when uploads wait for the quota', async (context) => {
  let tries = 0;
  const retryAt = new Date(Date.now() + 3_600_000).toISOString();
  const { uploads } = await uploadsOf({
    create: (_variables, created) => {
      tries += 1;
      return tries > 1 ? created() : { createUpload: { __typename: 'QuotaExceeded', message: 'Exceeded.', retryAt } };
    },
  });
  context.mock.timers.enable({ apis: ['setTimeout'] });
  uploads.add([fileOf('a.png')]);
  while (!uploads.paused.value) await settled();
  assert.equal(uploads.paused.value, retryAt);
  context.mock.timers.tick(3_600_000);
  while (!uploads.progress.value.done) await settled();
  assert.equal(uploads.paused.value, '');
});

test('a wait for the service leaves no listener behind', async (context) => {
  let tries = 0;
  const parts = await uploadsOf({
    send: async () => {
      tries += 1;
      if (tries < 4) throw new ServiceError('Lost.', { code: 'OFFLINE' });
    },
  });
  const { reachable } = parts.session;
  let listeners = 0;
  const subscribe = reachable.subscribe.bind(reachable);
  reachable.subscribe = (listen) => {
    listeners += 1;
    const end = subscribe(listen);
    return () => {
      listeners -= 1;
      end();
    };
  };
  context.mock.timers.enable({ apis: ['setTimeout'] });
  parts.uploads.add([fileOf('a.png')]);
  while (!parts.uploads.progress.value.done) {
    await settled();
    context.mock.timers.tick(5000);
  }
  assert.equal(tries, 4);
  assert.equal(listeners, 0);
});

test('files that failed are unsent until another try succeeds or they are dismissed', async () => {
  let code = 'UNAUTHENTICATED';
  const { uploads, over } = await uploadsOf();
  uploads.client.change = async (_query, variables) => {
    if (code) throw new ServiceError('Sign in.', { code });
    return { blob: { id: variables.input.fileName, status: 'AWAITING_UPLOAD' }, target: {} };
  };
  uploads.add([fileOf('a.png'), fileOf('empty.png', new Uint8Array())]);
  assert.ok(uploads.unsent);
  await over();
  assert.equal(uploads.failures.list.value.length, 2);
  assert.ok(uploads.unsent);
  code = '';
  uploads.retry();
  await over();
  assert.equal(uploads.progress.value.done, 1);
  assert.equal(uploads.unsent, false); // an empty file is lost without harm
});
