import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ServiceError } from '../../../web/gallery/src/api/client.js';
import { Updates } from '../../../web/gallery/src/state/updates.js';
import { Viewer } from '../../../web/gallery/src/state/viewer.js';
import { blobOf, pageOf, settled, shown } from './support.mjs';

/** Updates whose subscriptions the test feeds: `subscriptions` has {variables, next, ended}. */
async function updatesOf(blobs, answer) {
  const parts = await shown(blobs, answer);
  const [subscriptions, settledOnes] = [[], []];
  const live = {
    connected: true,
    subscribe: (_query, variables, next) => {
      const subscription = { variables, next, ended: false };
      subscriptions.push(subscription);
      return () => { subscription.ended = true; };
    },
  };
  const viewer = new Viewer({ ...parts, watch: () => {}, onStep: () => {} });
  const updates = new Updates({ ...parts, viewer: () => viewer, openLive: async () => live, visible: () => [...parts.collection.order], isIdle: () => false, onProblem: () => {}, onSettled: (id, blob) => settledOnes.push([id, blob?.status ?? null]) });
  return { ...parts, updates, viewer, subscriptions, settledOnes };
}

test('a blob that was uploaded before the connection is followed until it is labelled', async () => {
  const { updates, subscriptions, notices, collection } = await updatesOf([]);
  collection.add([{ key: 'upload 1', name: 'cat.png' }]);
  collection.name('upload 1', { id: 'a', status: 'LABELLING' });
  updates.watch({ id: 'a' });
  await updates.start();
  const [, own] = subscriptions;
  assert.deepEqual(own.variables, { filter: { blobIds: ['a'] } });
  own.next({ blob: blobOf('a', { status: 'LABELLING', labels: null }) });
  assert.equal(own.ended, false);
  own.next({ blob: blobOf('a') });
  assert.ok(own.ended);
  assert.equal(notices.spoken.value, 'cat.png: Cat 90%');
  own.next({ blob: blobOf('a') }); // repeated after a reconnection
  assert.equal(updates.watched.size, 0);
});

test('a deletion elsewhere removes the picture, and an open one is reported as missing', async () => {
  const { updates, subscriptions, collection, viewer } = await updatesOf([blobOf('b'), blobOf('a')], () => ({ blob: null }));
  await updates.start();
  viewer.open('a');
  viewer.similar.value = [blobOf('b')];
  subscriptions[0].next({ kind: 'DELETED', blobId: 'b', blob: null });
  assert.deepEqual(collection.order, ['a']);
  assert.deepEqual(viewer.similar.value, []);
  subscriptions[0].next({ kind: 'DELETED', blobId: 'a', blob: null });
  await settled();
  assert.equal(viewer.problem.value, 'This picture does not exist.');
});

test('a picture that waits to be deleted disappears, and a restored one returns to its place', async () => {
  const answer = { blob: null };
  const { updates, subscriptions, collection, viewer } = await updatesOf(['d', 'c', 'b', 'a'].map((id) => blobOf(id)), () => answer);
  await updates.start();
  const [{ next }] = subscriptions;
  const waiting = (id) => ({ kind: 'EDITED', blobId: id, blob: blobOf(id, { deletesAt: '2026-01-31T12:00:30.000Z' }) });
  const restored = (id) => ({ kind: 'EDITED', blobId: id, blob: blobOf(id) });
  answer.blob = waiting('c').blob;
  viewer.open('c');
  await settled();
  assert.equal(viewer.problem.value, 'This picture is deleted.');
  for (const id of ['c', 'b', 'c']) next(waiting(id));
  assert.deepEqual(collection.order, ['d', 'a']);
  next({ ...waiting('b'), kind: 'LABELLED' });
  collection.take(blobOf('b')); // as a list that was read before
  assert.deepEqual(collection.order, ['d', 'a']);
  answer.blob = blobOf('c');
  for (const id of ['b', 'c', 'b']) next(restored(id));
  assert.deepEqual(collection.order, ['d', 'c', 'b', 'a']);
  await settled();
  assert.equal(viewer.problem.value, '');
  next(waiting('a'));
  next({ kind: 'DELETED', blobId: 'a', blob: null });
  assert.deepEqual(collection.order, ['d', 'c', 'b']);
});

test('a poll hides a picture that waits to be deleted, and it returns once an event tells that it was restored', async () => {
  const { updates, collection, client } = await updatesOf([blobOf('b'), blobOf('a')]);
  const nodes = { b: blobOf('b', { deletesAt: '2026-01-31T12:00:30.000Z' }), a: blobOf('a') };
  client.ask = async (query, { ids }) => (ids ? { nodes: ids.map((id) => nodes[id]) } : pageOf([nodes.a]));
  await updates.look();
  assert.deepEqual(collection.order, ['a']);
  updates.happened({ kind: 'EDITED', blobId: 'b', blob: blobOf('b') });
  assert.deepEqual(collection.order, ['b', 'a']);
});

test('a look finds pictures that were restored elsewhere, also an upload of this page', async () => {
  const { updates, collection, client } = await updatesOf(['d', 'c', 'a'].map((id) => blobOf(id)));
  collection.add([{ key: 'upload 1', name: 'e.png' }]);
  collection.name('upload 1', { id: 'e', status: 'LABELLED' });
  const deleted = new Set(['e', 'c']);
  client.ask = async (query, { ids }) => (ids ? { nodes: ids.map((id) => blobOf(id, deleted.has(id) ? { deletesAt: '2026-01-31T12:00:30.000Z' } : {})) } : pageOf([blobOf('d')]));
  await updates.look();
  assert.deepEqual(collection.order, ['d', 'a']);
  await updates.look();
  assert.deepEqual(collection.order, ['d', 'a']);
  deleted.clear();
  await updates.look();
  assert.deepEqual(collection.order, ['e', 'd', 'c', 'a']);
  assert.equal(collection.waiting.size, 0);
});

test('a look loads the picture that is open again', async () => {
  const { updates, viewer, client } = await updatesOf([blobOf('a')], () => ({ blob: blobOf('a', { downloadUrl: null }) }));
  viewer.open('a');
  await settled();
  assert.equal(viewer.blob.value.id, 'a');
  client.ask = async (query, { id, ids }) => (ids ? { nodes: [null] } : id ? { blob: null } : pageOf([]));
  await updates.look();
  assert.equal(viewer.problem.value, 'This picture does not exist.');
});

test('after a new connection the page looks for what it missed', async () => {
  const { updates, collection, client } = await updatesOf([blobOf('a')]);
  let reconnect;
  const live = { connected: true, subscribe: () => () => {} };
  updates.openLive = async (onReturn) => {
    reconnect = onReturn;
    return live;
  };
  await updates.start();
  client.ask = async (query, { ids }) => (ids ? { nodes: ids.map((id) => (id === 'a' ? null : blobOf(id))) } : pageOf([blobOf('b')]));
  reconnect();
  while (!collection.order.includes('b') || collection.order.includes('a')) await settled();
});

test('a look finds what other clients added, corrected and deleted', async () => {
  const corrected = blobOf('b', { labels: [] });
  const { updates, collection, client } = await updatesOf([blobOf('b'), blobOf('a')]);
  client.ask = async (query, { ids }) => (ids ? { nodes: ids.map((id) => ({ b: corrected, c: blobOf('c') })[id] ?? null) } : pageOf([blobOf('c'), blobOf('b')]));
  await updates.look();
  assert.deepEqual(collection.order, ['c', 'b']);
  assert.deepEqual(collection.get('b').blob.labels, []);
});

test('polls follow each other, and end where the key does not allow them', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const problems = [];
  let looks = 0;
  const { updates } = await updatesOf([]);
  updates.onProblem = ({ code }) => problems.push(code);
  updates.look = async () => {
    looks += 1;
    throw new ServiceError('No.', { code: looks < 3 ? 'SERVICE_UNAVAILABLE' : 'FORBIDDEN' });
  };
  const polling = updates.poll();
  for (let turn = 0; turn < 5; turn += 1) {
    context.mock.timers.tick(3000);
    await settled();
  }
  await polling;
  assert.deepEqual(problems, ['SERVICE_UNAVAILABLE', 'SERVICE_UNAVAILABLE', 'FORBIDDEN']);
});

test('many uploads are followed some at a time, and an event of all blobs ends a wait too', async () => {
  const { updates, subscriptions, settledOnes } = await updatesOf([]);
  await updates.start();
  for (let number = 0; number < 300; number += 1) updates.watch({ id: `blob ${number}` });
  const followed = () => subscriptions.slice(1).filter(({ ended }) => !ended).map(({ variables }) => variables.filter.blobIds[0]);
  assert.deepEqual(followed(), Array.from({ length: 50 }, (_, number) => `blob ${number}`));
  subscriptions[0].next({ kind: 'LABELLED', blobId: 'blob 60', blob: blobOf('blob 60') }); // that waits
  subscriptions[0].next({ kind: 'FAILED', blobId: 'blob 0', blob: blobOf('blob 0', { status: 'FAILED' }) });
  subscriptions[2].next({ blob: blobOf('blob 1') });
  assert.deepEqual(followed(), Array.from({ length: 50 }, (_, number) => `blob ${number + 2}`));
  for (let number = 2; number < 300; number += 1) if (number !== 60) subscriptions.find(({ variables }) => variables.filter.blobIds?.[0] === `blob ${number}`).next({ blob: blobOf(`blob ${number}`) });
  assert.equal(updates.watched.size, 0);
  assert.equal(settledOnes.length, 300);
});

test('a look finds what became of uploads that the page no longer shows', async () => {
  const failed = blobOf('b', { status: 'FAILED', labels: null, failure: { code: 'CORRUPT_IMAGE', message: 'Damaged.' } });
  const { updates, settledOnes } = await updatesOf([], (_name, { ids }) => ({ nodes: ids.map((id) => ({ a: blobOf('a'), b: failed })[id] ?? null) }));
  updates.visible = () => [];
  for (const id of ['a', 'b', 'c']) updates.watch({ id });
  await updates.look();
  assert.deepEqual(settledOnes, [['a', 'LABELLED'], ['b', 'FAILED'], ['c', null]]);
  assert.equal(updates.watched.size, 0);
});
