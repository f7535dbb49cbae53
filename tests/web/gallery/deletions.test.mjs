import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Deletions } from '../../../web/gallery/src/state/deletions.js';
import { blobOf, settled, shown } from './support.mjs';

const deleted = ({ ids }) => ({ deleteBlobs: { __typename: 'DeletedBlobs', outcomes: ids.map(() => ({ __typename: 'DeletedBlob' })) } });

async function deletionsOf(count, answer = (_name, variables) => deleted(variables)) {
  const parts = await shown(Array.from({ length: count }, (_, index) => blobOf(`blob ${index}`)), answer);
  const requests = () => parts.asked.filter(({ name }) => name === 'Delete');
  return { ...parts, requests, deletions: new Deletions(parts) };
}

test('a deletion is sent when its notice ends, in batches of 100', async () => {
  const { deletions, collection, notices, requests } = await deletionsOf(250);
  const ids = [...collection.order];
  deletions.remove(ids);
  assert.equal(notices.list.value[0].text, '250 pictures deleted.');
  assert.deepEqual(collection.order, []);
  assert.equal(requests().length, 0);
  notices.list.value[0].close();
  await settled();
  assert.deepEqual(requests().map(({ variables }) => variables.ids.length), [100, 100, 50]);
  assert.deepEqual(requests().flatMap(({ variables }) => variables.ids), ids);
});

test('undo restores all pictures and sends nothing', async () => {
  const { deletions, collection, notices, requests } = await deletionsOf(3);
  const before = [...collection.order];
  deletions.remove(['blob 0', 'blob 2']);
  const [{ actions: [[, undo]], close }] = notices.list.value;
  undo();
  close();
  await settled();
  assert.deepEqual(collection.order, before);
  assert.equal(requests().length, 0);
  deletions.flush();
  assert.equal(requests().length, 0);
});

test('a page that ends sends what is pending, with requests that outlive it', async () => {
  const { deletions, notices, requests } = await deletionsOf(3);
  deletions.remove(['blob 0']);
  deletions.remove(['blob 1', 'blob 2']);
  deletions.flush();
  for (const { close } of [...notices.list.value]) close();
  await settled();
  assert.deepEqual(requests().map(({ variables, keepalive }) => [variables.ids, keepalive]), [[['blob 0', 'blob 1', 'blob 2'], true]]);
});

test('a picture that could not be deleted returns, and one that was gone does not', async () => {
  const outcomes = [
    { __typename: 'DeletedBlob' },
    { __typename: 'BlobNotFound', message: 'No such blob.' },
    { __typename: 'ServiceUnavailable', message: 'Send the id again.' },
  ];
  const { deletions, collection, notices } = await deletionsOf(3, () => ({ deleteBlobs: { __typename: 'DeletedBlobs', outcomes } }));
  deletions.remove(['blob 0', 'blob 1', 'blob 2']);
  notices.list.value[0].close();
  await settled();
  assert.deepEqual(collection.order, ['blob 2']);
  assert.equal(notices.list.value[0].text, 'The picture was not deleted. Send the id again.');
  notices.list.value[0].close();
});
