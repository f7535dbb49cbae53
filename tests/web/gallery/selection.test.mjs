import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Bulk } from '../../../web/gallery/src/state/bulk.js';
import { Collection } from '../../../web/gallery/src/state/collection.js';
import { distanceOf, nearestLabels } from '../../../web/gallery/src/state/nearest.js';
import { Selection } from '../../../web/gallery/src/state/selection.js';
import { Notices } from '../../../web/gallery/src/state/notices.js';
import { blobOf, clientOf, later, pageOf, settled, shown } from './support.mjs';

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

/** A selection of a collection that has `number` pictures, in pages as large as those that are asked for. */
async function selectionOfPages(number, before = async () => {}) {
  const problems = [];
  const limits = [];
  const { client, asked } = clientOf(async (_name, { first, after }) => {
    const start = Number(after ?? 0);
    await before(start);
    const end = Math.min(number, start + first);
    const nodes = Array.from({ length: end - start }, (_, index) => blobOf(`b${start + index}`));
    return pageOf(nodes, { pageInfo: { hasNextPage: end < number, endCursor: String(end) } });
  });
  const collection = new Collection(client);
  await collection.more();
  const selection = new Selection(collection, (most) => limits.push(most), (error) => problems.push(error.message));
  return { collection, selection, limits, problems, asked };
}

test('all pictures are selected, also those that were not loaded', async () => {
  const { selection, limits, asked } = await selectionOfPages(382);
  await selection.all();
  assert.equal(selection.ids.length, 382);
  assert.equal(asked.length, 5);
  assert.deepEqual(limits, []);
});

for (const [number, reported] of [[1000, []], [1001, [1000]], [5000, [1000]]]) {
  test(`of ${number} pictures 1000 are selected`, async () => {
    const { selection, limits, asked } = await selectionOfPages(number);
    await selection.all();
    assert.equal(selection.ids.length, 1000);
    assert.equal(asked.length, 11); // the others are not loaded
    assert.deepEqual(limits, reported);
  });
}

test('selecting something else ends the selection of all', async () => {
  const { promise, done } = later();
  const { selection, collection, asked } = await selectionOfPages(382, (start) => start && promise);
  const all = selection.all();
  selection.clear();
  selection.toggle('b3');
  done();
  await all;
  assert.deepEqual(selection.ids, ['b3']);
  assert.equal(collection.order.length, 160);
  assert.equal(asked.length, 2);
});

test('an error while all are selected is reported, and those that are loaded are selected', async () => {
  const { selection, problems } = await selectionOfPages(382, (start) => { if (start >= 160) throw new Error('no network'); });
  await selection.all();
  assert.equal(selection.ids.length, 160);
  assert.deepEqual(problems, ['The service can’t be reached.']);
});

const ids = Array.from({ length: 150 }, (_, index) => `b${index}`);
const label = (name, more = {}) => ({ name, source: 'DETECTOR', confirmedAt: null, instances: [], ...more });

/** A bulk whose service has `pictures` by id, without labels where there is none, and answers each change with `outcomeOf`. */
function bulkOf(pictures = {}, outcomeOf = () => ({ __typename: 'CorrectedBlob' })) {
  const { client, asked } = clientOf((name, variables) => (name === 'Changeable'
    ? { nodes: variables.ids.map((id) => (pictures[id] === null ? null : { id, status: 'LABELLED', fileName: `${id}.png`, labels: [], rejectedLabels: [], ...pictures[id] })) }
    : { done: { __typename: 'Done', outcomes: variables.ids.map(outcomeOf) } }));
  const watched = [];
  const reloaded = [];
  const notices = new Notices();
  const bulk = new Bulk({ client, notices, watch: ({ id }) => watched.push(id), reload: async (some) => { reloaded.push(...some); } });
  const texts = () => notices.list.value.map(({ text }) => text);
  const changes = () => asked.filter(({ name }) => name !== 'Changeable').map(({ name, variables: { ids: some, ...rest } }) => [name, some, rest]);
  const undo = async () => {
    notices.list.value.find(({ actions }) => actions.length).actions[0][1]();
    for (let turn = 0; turn < 20; turn += 1) await settled();
  };
  const end = () => { for (const { close } of [...notices.list.value]) close(); };
  return { bulk, texts, changes, undo, end, watched, reloaded };
}

const failed = (id) => (id.startsWith('f') ? { __typename: 'WrongState', status: 'FAILED', message: `Blob ${id} is FAILED.` } : { __typename: 'CorrectedBlob' });

test('a change of many pictures is sent in batches and shown once', async () => {
  const { bulk, changes, texts, reloaded, end } = bulkOf();
  await bulk.addLabel(ids, 'Tom');
  assert.deepEqual(changes(), [
    ['AddLabels', ids.slice(0, 100), { labels: [{ name: 'Tom' }] }], ['AddLabels', ids.slice(100), { labels: [{ name: 'Tom' }] }],
  ]);
  assert.deepEqual(texts(), ['Added Tom to 150 pictures.']);
  assert.deepEqual(reloaded, ids);
  end();
});

test('a label is removed from the pictures that have it, and these are counted', async () => {
  const { bulk, changes, texts, end } = bulkOf({ b1: { labels: [label('Animal')] }, b2: { labels: null, status: 'FAILED' }, b3: null });
  await bulk.removeLabel(['b0', 'b1', 'b2', 'b3'], 'animal');
  assert.deepEqual(changes(), [['RemoveLabels', ['b1'], { names: ['animal'] }]]);
  await bulk.removeLabel(['b0'], 'Animal');
  assert.equal(changes().length, 1);
  assert.deepEqual(texts(), ['Removed animal from 1 picture.', 'Nothing changed: the selected pictures lack the label Animal already.']);
  end();
});

test('a label is added where the owner did not decide so', async () => {
  const { bulk, changes, texts, end } = bulkOf({ b0: { labels: [label('Cat', { confirmedAt: '2026-01-31T12:00:00.000Z' })] }, b1: { labels: [label('Cat')] } });
  await bulk.addLabel(['b0', 'b1', 'b2'], 'Cat');
  assert.deepEqual(changes(), [['AddLabels', ['b1', 'b2'], { labels: [{ name: 'Cat' }] }]]);
  assert.deepEqual(texts(), ['Added Cat to 2 pictures.']);
  end();
});

test('undo brings back what was decided about each changed picture', async () => {
  const boundingBox = { left: 0, top: 0, width: 0.5, height: 1 };
  const { bulk, changes, undo, texts, reloaded, end } = bulkOf({
    b0: { labels: [label('Cat')] },
    b1: { labels: [label('Cat', { source: 'OWNER', confirmedAt: 'then', instances: [{ boundingBox }] })] },
    b2: { labels: [label('Cat', { confirmedAt: 'then' })] },
    b3: { labels: [label('Cat')] },
    f4: { labels: [label('Cat')] },
  }, failed);
  await bulk.removeLabel(['b0', 'b1', 'b2', 'b3', 'f4', 'b5'], 'Cat');
  await undo();
  assert.deepEqual(changes().slice(1), [
    ['ResetLabels', ['b0', 'b3'], { names: ['Cat'] }],
    ['AddLabels', ['b1'], { labels: [{ name: 'Cat', boundingBox }] }],
    ['ConfirmLabels', ['b2'], { names: ['Cat'] }],
  ]);
  assert.equal(texts().at(-1), 'Undone for 4 pictures.');
  assert.deepEqual(reloaded, ['b0', 'b1', 'b2', 'b3', 'b0', 'b3', 'b1', 'b2']);
  end();
});

test('undo of an added label rejects it again where it was rejected', async () => {
  const { bulk, changes, undo, end } = bulkOf({ b1: { rejectedLabels: ['cat'] } });
  await bulk.addLabel(['b0', 'b1'], 'Cat');
  await undo();
  assert.deepEqual(changes().slice(1), [['ResetLabels', ['b0'], { names: ['Cat'] }], ['RemoveLabels', ['b1'], { names: ['Cat'] }]]);
  end();
});

test('pictures that could not be labelled are named, or counted', async () => {
  const { bulk, texts, end } = bulkOf({ f2: { fileName: null } }, failed);
  await bulk.addLabel(['f1'], 'Cat');
  await bulk.addLabel(['f2'], 'Cat');
  await bulk.addLabel(['f1', 'b1', 'f2'], 'Cat');
  assert.deepEqual(texts(), [
    '1 picture not changed: f1.png could not be labelled.',
    '1 picture not changed: it could not be labelled.',
    '2 pictures not changed: they could not be labelled.',
    'Added Cat to 1 picture.',
  ]);
  end();
});

test('pictures that are being labelled are not labelled again', async () => {
  const { bulk, texts, watched, end } = bulkOf({}, (id) => (id === 'b7' ? { __typename: 'WrongState', status: 'LABELLING', message: 'Wait.' } : { __typename: 'RelabelledBlob' }));
  await bulk.relabel(['b6', 'b7']);
  assert.deepEqual(texts(), ['1 picture not changed: it is being labelled.', 'Labelling 1 picture again.']);
  assert.deepEqual(watched, ['b6']);
  end();
});

test('a request that fails ends the change', async () => {
  const { client, asked } = clientOf(() => ({ relabelBlobs: { __typename: 'InvalidInput', message: 'Too many.' } }));
  const texts = [];
  const bulk = new Bulk({ client, notices: { show: (text) => texts.push(text) }, watch: () => {}, reload: async () => {} });
  await bulk.relabel(ids);
  assert.equal(asked.length, 1);
  assert.deepEqual(texts, ['150 pictures not changed: Too many.']);
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
