import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EVERYTHING } from '../../../web/gallery/src/text/search.js';
import { blobOf, clientOf, later, pageOf, settled, shown } from './support.mjs';
import { Collection } from '../../../web/gallery/src/state/collection.js';

const blobs = ['c', 'b', 'a'].map((id) => blobOf(id));

test('a new picture is added at the front', async () => {
  const { collection } = await shown(blobs);
  collection.take(blobOf('d'));
  assert.deepEqual(collection.order, ['d', 'c', 'b', 'a']);
});

test('new pictures wait while the user looks at others, the newest first', async () => {
  const { collection } = await shown(blobs);
  collection.isReading = () => true;
  collection.take(blobOf('d'));
  collection.take(blobOf('e'));
  collection.take(blobOf('e', { status: 'FAILED' })); // an event of the same picture
  assert.deepEqual(collection.order, ['c', 'b', 'a']);
  assert.deepEqual(collection.arrivals.value.map(({ key }) => key), ['e', 'd']);
  collection.admit();
  assert.deepEqual(collection.order, ['e', 'd', 'c', 'b', 'a']);
  assert.deepEqual(collection.arrivals.value, []);
});

test('uploads wait too while the user looks at others, in their order among the new pictures', async () => {
  const { collection } = await shown(blobs);
  collection.isReading = () => true;
  collection.take(blobOf('d'));
  collection.add(['upload 1', 'upload 2', 'upload 3'].map((key) => ({ key, name: `${key}.png` })));
  collection.take(blobOf('e')); // the subscription is faster than the response
  collection.name('upload 1', { id: 'e', status: 'AWAITING_UPLOAD' });
  collection.take(blobOf('e'));
  collection.name('upload 2', { id: 'f', status: 'AWAITING_UPLOAD' });
  collection.take(blobOf('g'));
  collection.removeAll(['upload 3']); // dismissed
  assert.deepEqual(collection.order, ['c', 'b', 'a']);
  assert.deepEqual(collection.arrivals.value.map(({ key }) => key), ['g', 'upload 1', 'upload 2', 'd']);
  collection.admit();
  assert.deepEqual(collection.order, ['g', 'upload 1', 'upload 2', 'd', 'c', 'b', 'a']);
  assert.equal(collection.find('e').blob.status, 'LABELLED');
});

test('a waiting upload whose picture is deleted does not appear', async () => {
  const { collection } = await shown(blobs);
  collection.isReading = () => true;
  collection.add([{ key: 'upload 1', name: 'd.png' }]);
  collection.name('upload 1', { id: 'd', status: 'LABELLED' });
  collection.remove('d');
  collection.admit();
  assert.deepEqual(collection.order, ['c', 'b', 'a']);
});

test('a waiting picture that is deleted does not appear', async () => {
  const { collection } = await shown(blobs);
  collection.isReading = () => true;
  collection.take(blobOf('d'));
  collection.remove('d');
  collection.admit();
  collection.take(blobOf('d'));
  assert.deepEqual(collection.order, ['c', 'b', 'a']);
});

test('removed pictures return to their places', async () => {
  const { collection } = await shown(blobs);
  const back = collection.removeAll(['c', 'a']);
  assert.deepEqual(collection.order, ['b']);
  back(['a', 'c']);
  assert.deepEqual(collection.order, ['c', 'b', 'a']);
  assert.equal(collection.get('c').blob.id, 'c');
});

test('an undo does not repeat a picture that another client restored', async () => {
  const { collection } = await shown([]);
  collection.add([{ key: 'upload 1', name: 'c.png' }]);
  collection.name('upload 1', blobOf('c'));
  const back = collection.removeAll(['c']);
  collection.waiting.add('c');
  collection.readmit('c');
  collection.take(blobOf('c'));
  back(['c']);
  assert.deepEqual(collection.order, ['c']);
});

test('an answer that was asked for before a change does not hide the change', async (context) => {
  const asked = [];
  const { collection } = await shown([blobOf('b'), blobOf('a')], () => {
    asked.push(later());
    return asked.at(-1).promise;
  });
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 1000 });
  const before = { labels: [{ name: 'Dog', confidence: 90, parents: [], confirmedAt: null }] };
  const loading = collection.know(['a'], { reload: true });
  await settled();
  context.mock.timers.tick(10);
  collection.take(blobOf('a'));
  asked[0].done({ nodes: [blobOf('a', before)] });
  await loading;
  assert.equal(collection.get('a').blob.labels[0].name, 'Cat');
  collection.take(blobOf('a', before), Date.now() - 1); // of a list
  assert.equal(collection.get('a').blob.labels[0].name, 'Cat');
});

test('an undo for another view changes nothing', async () => {
  const { collection } = await shown(blobs);
  const back = collection.removeAll(['c']);
  collection.show({ ...EVERYTHING, labels: ['Dog'] });
  back(['c']);
  assert.deepEqual(collection.order, []);
});

test('a response for an earlier search is ignored', async () => {
  const first = later();
  const { client } = clientOf((_name, { filter }) => (filter.labels ? pageOf([blobOf('dog')]) : first.promise));
  const collection = new Collection(client);
  const loading = collection.more();
  collection.show({ ...EVERYTHING, labels: ['Dog'] });
  await collection.more();
  first.done(pageOf(blobs));
  await loading;
  assert.deepEqual(collection.order, ['dog']);
});

test('an upload and its blob are one picture, whichever is known first', async () => {
  const { collection } = await shown(blobs);
  collection.add([{ key: 'upload 1', name: 'd.png' }]);
  collection.take(blobOf('d')); // the subscription is faster than the response
  collection.name('upload 1', { id: 'd', status: 'AWAITING_UPLOAD' });
  collection.take(blobOf('d'));
  assert.deepEqual(collection.order, ['upload 1', 'c', 'b', 'a']);
  assert.equal(collection.find('d').blob.status, 'LABELLED');
  assert.equal(collection.beside('c', -1), 'd');
});

test('a picture that a reload does not find is removed', async () => {
  const { collection } = await shown(blobs, () => ({ nodes: [null, blobOf('a')] }));
  await collection.know(['b', 'a'], { reload: true });
  assert.deepEqual(collection.order, ['c', 'a']);
});

test('a search adds only pictures that meet it', async () => {
  const { collection } = await shown(blobs);
  const added = (search, blob) => {
    collection.show({ ...EVERYTHING, ...search });
    collection.take(blob);
    return collection.order.length === 1;
  };
  assert.ok(added({ labels: ['cat'], least: 90 }, blobOf('d')));
  assert.ok(!added({ labels: ['cat'], least: 91 }, blobOf('d')));
  assert.ok(!added({ labels: ['cat', 'dog'] }, blobOf('d')));
  assert.ok(added({ status: 'FAILED' }, blobOf('d', { status: 'FAILED', labels: null })));
  assert.ok(!added({ status: 'FAILED' }, blobOf('d')));
  assert.ok(added({ from: '2026-01-31', to: '2026-01-31' }, blobOf('d', { createdAt: new Date(2026, 0, 31, 23, 59).toISOString() })));
  assert.ok(!added({ from: '2026-01-31', to: '2026-01-31' }, blobOf('d', { createdAt: new Date(2026, 1, 1).toISOString() })));
});

test('pictures far from the view are forgotten, but not their places', async () => {
  const many = Array.from({ length: 2500 }, (_, index) => blobOf(`blob ${index}`));
  const { collection } = await shown(many);
  collection.forget(2400);
  assert.ok(collection.items.size <= 1500);
  assert.equal(collection.order.length, 2500);
  assert.equal(collection.beside('blob 1', -1), 'blob 0');
});

test('a picture that is not listed has no neighbours', async () => {
  const { collection } = await shown(blobs);
  assert.equal(collection.beside('c', 1), 'b');
  assert.equal(collection.beside('elsewhere', 1), undefined);
});

test('the number of pictures follows what is added and removed', async () => {
  const { client } = clientOf(() => pageOf(blobs, { totalCount: 10, pageInfo: { hasNextPage: true, endCursor: 'a' } }));
  const collection = new Collection(client);
  await collection.more();
  collection.take(blobOf('d'));
  collection.add([{ key: 'upload 1', name: 'e.png' }]);
  assert.equal(collection.total.value, 12);
  const back = collection.removeAll(['c', 'b']);
  assert.equal(collection.total.value, 10);
  back(['c']);
  assert.equal(collection.total.value, 11);
  collection.isReading = () => true;
  collection.take(blobOf('f'));
  collection.admit();
  assert.equal(collection.total.value, 12);
});

test('a picture that changed elsewhere takes its own place, and no place where a later page has it', async () => {
  let more = true;
  const { collection } = await shown([], () => ({}));
  collection.client.ask = async () => pageOf([blobOf('f'), blobOf('d'), blobOf('c')], { pageInfo: { hasNextPage: more, endCursor: 'c' } });
  collection.show(EVERYTHING);
  await collection.more();
  collection.take(blobOf('b')); // edited, and not loaded yet
  assert.deepEqual(collection.order, ['f', 'd', 'c']);
  collection.take(blobOf('e')); // restored
  collection.take(blobOf('g'));
  assert.deepEqual(collection.order, ['g', 'f', 'e', 'd', 'c']);
  collection.isReading = () => true;
  collection.take(blobOf('h'));
  collection.take(blobOf('d5'));
  collection.admit();
  assert.deepEqual(collection.order, ['h', 'g', 'f', 'e', 'd5', 'd', 'c']);
  more = false;
  collection.isReading = () => false;
  collection.show(EVERYTHING);
  await collection.more();
  collection.take(blobOf('a'));
  assert.deepEqual(collection.order, ['f', 'd', 'c', 'a']);
});
