import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ServiceError } from '../../../web/gallery/src/api/client.js';
import { Deletions } from '../../../web/gallery/src/state/deletions.js';
import { blobOf, later, settled, shown } from './support.mjs';

const outcomesOf = (ids, __typename) => ids.map(() => ({ __typename }));
const answerOf = (name, { ids }) => (name === 'Delete'
  ? { deleteBlobs: { __typename: 'DeletedBlobs', outcomes: outcomesOf(ids, 'DeletedBlob') } }
  : { restoreBlobs: { __typename: 'RestoredBlobs', outcomes: outcomesOf(ids, 'RestoredBlob') } });

async function deletionsOf(count, answer = answerOf) {
  const parts = await shown(Array.from({ length: count }, (_, index) => blobOf(`blob ${index}`)), answer);
  const requests = (wanted) => parts.asked.filter(({ name }) => name === wanted);
  return { ...parts, requests, deletions: new Deletions(parts) };
}

/** Presses Undo in the last notice, as the page does. */
function undo({ list }) {
  const { actions: [[, act]], close } = list.value.at(-1);
  act();
  close();
}

function closeAll({ list }) {
  for (const { close } of [...list.value]) close();
}

test('a deletion is sent at once, in batches of 100 that outlive the page', async () => {
  const { deletions, collection, notices, requests } = await deletionsOf(250);
  const ids = [...collection.order];
  deletions.remove(ids);
  assert.equal(notices.list.value[0].text, '250 pictures deleted.');
  assert.deepEqual(collection.order, []);
  assert.deepEqual(requests('Delete').map(({ variables, keepalive }) => [variables.ids.length, keepalive]), [[100, true], [100, true], [50, true]]);
  assert.deepEqual(requests('Delete').flatMap(({ variables }) => variables.ids), ids);
  closeAll(notices);
  await deletions.sent;
  assert.equal(requests('Delete').length, 3);
});

test('undo restores all pictures at their places', async () => {
  const { deletions, collection, notices, requests } = await deletionsOf(150);
  const before = [...collection.order];
  const ids = before.filter((_, index) => index % 7);
  deletions.remove(ids);
  undo(notices);
  await settled();
  assert.deepEqual(collection.order, before);
  assert.deepEqual(requests('Restore').flatMap(({ variables }) => variables.ids), ids);
});

test('undo waits for the deletion', async () => {
  const { promise, done } = later();
  const { deletions, collection, notices, requests } = await deletionsOf(1, async (name, variables) => {
    if (name === 'Delete') await promise;
    return answerOf(name, variables);
  });
  deletions.remove(['blob 0']);
  undo(notices);
  await settled();
  assert.deepEqual([requests('Delete').length, requests('Restore').length], [1, 0]);
  done();
  await settled();
  assert.equal(requests('Restore').length, 1);
  assert.deepEqual(collection.order, ['blob 0']);
});

test('a picture that could not be deleted returns, and one that was gone does not', async () => {
  const outcomes = [
    { __typename: 'DeletedBlob' },
    { __typename: 'BlobNotFound', message: 'No such blob.' },
    { __typename: 'ServiceUnavailable', message: 'Send the id again.' },
  ];
  const { deletions, collection, notices } = await deletionsOf(3, () => ({ deleteBlobs: { __typename: 'DeletedBlobs', outcomes } }));
  deletions.remove(['blob 0', 'blob 1', 'blob 2']);
  await deletions.sent;
  assert.deepEqual(collection.order, ['blob 2']);
  assert.equal(notices.list.value.at(-1).text, 'The picture was not deleted. Send the id again.');
  closeAll(notices);
});

test('pictures return when the service refuses a batch', async () => {
  const { deletions, collection, notices } = await deletionsOf(2, () => { throw new ServiceError('No.'); });
  deletions.remove(['blob 0', 'blob 1']);
  await deletions.sent;
  assert.equal(collection.order.length, 2);
  assert.match(notices.list.value.at(-1).text, /^2 pictures were not deleted\./);
  closeAll(notices);
});

test('a picture whose deletion has begun does not return', async () => {
  const { deletions, collection, notices } = await deletionsOf(2, (name, variables) => (name === 'Delete'
    ? answerOf(name, variables)
    : { restoreBlobs: { __typename: 'RestoredBlobs', outcomes: [{ __typename: 'BlobNotFound', message: 'No blob blob 0.' }, { __typename: 'RestoredBlob' }] } }));
  deletions.remove(['blob 0', 'blob 1']);
  undo(notices);
  await settled();
  assert.deepEqual(collection.order, ['blob 1']);
  assert.equal(notices.list.value.at(-1).text, 'The picture was not restored. No blob blob 0.');
  closeAll(notices);
});
