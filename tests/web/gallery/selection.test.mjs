import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Bulk } from '../../../web/gallery/src/state/bulk.js';
import { distanceOf, nearestLabels } from '../../../web/gallery/src/state/nearest.js';
import { Selection } from '../../../web/gallery/src/state/selection.js';
import { blobOf, clientOf, shown } from './support.mjs';

async function selectionOf(number) {
  const { collection } = await shown(Array.from({ length: number }, (_, index) => blobOf(`b${index}`)));
  const limits = [];
  const selection = new Selection(collection, (most) => limits.push(most));
  collection.onRemove = (keys) => selection.drop(keys);
  return { collection, selection, limits };
}

test('a range reaches from the last toggled picture, in either direction', async () => {
  const { selection } = await selectionOf(6);
  selection.toggle('b3');
  selection.extend('b1');
  assert.deepEqual(selection.ids, ['b1', 'b2', 'b3']);
  selection.extend('b4');
  assert.deepEqual(selection.ids, ['b1', 'b2', 'b3', 'b4']);
  selection.toggle('b2');
  assert.deepEqual(selection.ids, ['b1', 'b3', 'b4']);
});

test('a range without a beginning is one picture', async () => {
  const { selection } = await selectionOf(3);
  selection.extend('b1');
  assert.deepEqual(selection.ids, ['b1']);
});

test('removed pictures leave the selection, and uploads without an id are not acted on', async () => {
  const { selection, collection } = await selectionOf(3);
  collection.add([{ key: 'upload 1', name: 'a.png' }]);
  selection.all();
  assert.equal(selection.keys.value.size, 4);
  assert.deepEqual(selection.ids, ['b0', 'b1', 'b2']);
  collection.remove('b1');
  assert.deepEqual(selection.ids, ['b0', 'b2']);
  selection.clear();
  assert.deepEqual(selection.ids, []);
});

test('a selection has a limit, and the limit is reported', async () => {
  const { selection, limits } = await selectionOf(1001);
  selection.all();
  assert.equal(selection.ids.length, 1000);
  assert.deepEqual(limits, [1000]);
});

function bulkOf(outcomeOf) {
  const { client, asked } = clientOf((_name, { ids }) => ({ done: { __typename: 'Done', outcomes: ids.map(outcomeOf) } }));
  const texts = [];
  const watched = [];
  const reloaded = [];
  const notices = { show: (text) => texts.push(text) };
  const bulk = new Bulk({ client, notices, watch: ({ id }) => watched.push(id), reload: async (ids) => { reloaded.push(...ids); } });
  return { bulk, asked, texts, watched, reloaded };
}

const ids = Array.from({ length: 150 }, (_, index) => `b${index}`);

test('a change of many pictures is sent in batches and shown once', async () => {
  const { bulk, asked, texts, reloaded } = bulkOf(() => ({ __typename: 'CorrectedBlob' }));
  await bulk.addLabel(ids, 'Tom');
  assert.deepEqual(asked.map(({ name, variables }) => [name, variables.ids.length, variables.labels]), [
    ['AddLabels', 100, [{ name: 'Tom' }]], ['AddLabels', 50, [{ name: 'Tom' }]],
  ]);
  assert.deepEqual(texts, ['Added Tom to 150 pictures.']);
  assert.deepEqual(reloaded, ids);
});

test('pictures that can not be changed are counted with the reason', async () => {
  const { bulk, texts, watched } = bulkOf((id) => (id === 'b7' ? { __typename: 'WrongState', message: 'It is being labelled.' } : { __typename: 'RelabelledBlob' }));
  await bulk.relabel(['b6', 'b7']);
  assert.deepEqual(texts, ['Labelling 1 picture again.', '1 picture not changed: It is being labelled.']);
  assert.deepEqual(watched, ['b6']);
});

test('a request that fails ends the change', async () => {
  const { client, asked } = clientOf(() => ({ removeLabels: { __typename: 'InvalidInput', message: 'A name is too long.' } }));
  const texts = [];
  const bulk = new Bulk({ client, notices: { show: (text) => texts.push(text) }, watch: () => {}, reload: async () => {} });
  await bulk.removeLabel(ids, 'Tom');
  assert.equal(asked.length, 1);
  assert.deepEqual(texts, ['150 pictures not changed: A name is too long.']);
});

test('the nearest labels in use are offered, without those that are far', async () => {
  const inUse = ['Cat', 'Caterpillar', 'Motorcycle', 'Forest', 'Dog'];
  const { client } = clientOf((_name, { prefix }) => ({
    labels: { edges: inUse.filter((each) => each.toLowerCase().startsWith(prefix)).map((name) => ({ node: { name } })) },
  }));
  assert.deepEqual(await nearestLabels(client, 'Motercycle'), ['Motorcycle']);
  assert.deepEqual(await nearestLabels(client, 'kat'), ['Cat']);
  assert.deepEqual(await nearestLabels(client, 'rainforest'), ['Forest']);
  assert.deepEqual(await nearestLabels(client, 'xylophone'), []);
});

test('the distance of two words is the number of changed letters', () => {
  assert.equal(distanceOf('kitten', 'sitting'), 3);
  assert.equal(distanceOf('', 'abc'), 3);
  assert.equal(distanceOf('cycle', 'motorcycle'), 1);
});
