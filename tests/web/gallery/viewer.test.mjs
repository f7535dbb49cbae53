import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Actions } from '../../../web/gallery/src/state/actions.js';
import { Corrections } from '../../../web/gallery/src/state/corrections.js';
import { Viewer } from '../../../web/gallery/src/state/viewer.js';
import { blobOf, later, settled, shown } from './support.mjs';

const pictureOf = (id, more = {}) => blobOf(id, {
  fileName: 'cat.png',
  contentType: 'PNG',
  labelledAt: '2026-01-31T12:00:01.000Z',
  detectedLabels: [{ name: 'Cat', confidence: 90 }],
  rejectedLabels: [],
  callback: null,
  ...more,
});

async function viewerOf(answer) {
  const steps = [];
  const watched = [];
  const parts = await shown(['d', 'c', 'b', 'a'].map((id) => blobOf(id)), (name, variables) =>
    (name === 'Similar' ? { blob: { copies: null, similar: null } } : answer(name, variables)));
  const viewer = new Viewer({ ...parts, onStep: (id) => steps.push(id) });
  const actions = new Actions({ ...parts, viewer, watch: ({ id }) => watched.push(id) });
  return { ...parts, viewer, actions, steps, watched };
}

test('a step goes from the picture that was asked for last, loaded or not', async () => {
  const { viewer, steps } = await viewerOf((_name, { id }) => ({ blob: pictureOf(id) }));
  viewer.open('d');
  viewer.step(1);
  viewer.step(1);
  viewer.step(-1);
  assert.deepEqual(steps, ['c', 'b', 'c']);
  await settled();
  assert.equal(viewer.blob.value.id, 'c');
});

test('a step beyond the ends does nothing', async () => {
  const { viewer, steps } = await viewerOf((_name, { id }) => ({ blob: pictureOf(id) }));
  viewer.open('d');
  viewer.step(-1);
  assert.deepEqual([viewer.id.value, steps], ['d', []]);
});

test('a late response for another picture is ignored', async () => {
  const slow = later();
  const { viewer } = await viewerOf((_name, { id }) => (id === 'd' ? slow.promise : { blob: pictureOf(id) }));
  viewer.open('d');
  await settled();
  viewer.open('a');
  assert.equal(viewer.blob.value, null);
  slow.done({ blob: pictureOf('d') });
  await settled();
  assert.equal(viewer.blob.value.id, 'a');
});

test('looks do not overlap, and the last one is not lost', async () => {
  const first = later();
  let looks = 0;
  const { viewer } = await viewerOf(() => {
    looks += 1;
    return looks === 1 ? first.promise : { blob: pictureOf('d', { labelledAt: 'later' }) };
  });
  viewer.open('d');
  await settled();
  viewer.look();
  viewer.look();
  await settled();
  assert.equal(looks, 1);
  first.done({ blob: pictureOf('d') });
  await settled();
  assert.equal(looks, 2);
  assert.equal(viewer.blob.value.labelledAt, 'later');
});

test('the image keeps its URL when a look brings another signature', async () => {
  let signature = 0;
  const { viewer } = await viewerOf(() => {
    signature += 1;
    return { blob: pictureOf('d', { downloadUrl: `http://gallery.test/d?signature=${signature}` }) };
  });
  viewer.open('d');
  await viewer.look();
  await viewer.look();
  assert.equal(signature, 2);
  assert.equal(viewer.blob.value.shownUrl, 'http://gallery.test/d?signature=1');
  assert.equal(viewer.blob.value.downloadUrl, 'http://gallery.test/d?signature=2'); // a download has the present name
});

test('a deleted picture is reported as missing', async () => {
  const { viewer } = await viewerOf(() => ({ blob: null }));
  viewer.open('d');
  await settled();
  assert.equal(viewer.problem.value, 'This picture does not exist.');
});

test('a picture that is labelled again is followed', async () => {
  const { viewer, actions, watched, notices } = await viewerOf((name, { id }) =>
    (name === 'Relabel' ? { relabelBlobs: { __typename: 'RelabelledBlobs', outcomes: [{ __typename: 'RelabelledBlob' }] } } : { blob: pictureOf(id) }));
  viewer.open('d');
  await actions.relabel();
  assert.deepEqual(watched, ['d']);
  assert.equal(notices.list.value[0].text, 'Labelling again.');
  notices.list.value[0].close();
});

test('a refused request to label again is shown', async () => {
  const { viewer, actions, watched, notices } = await viewerOf((name, { id }) =>
    (name === 'Relabel' ? { relabelBlobs: { outcomes: [{ __typename: 'WrongState', message: 'It is being labelled.' }] } } : { blob: pictureOf(id) }));
  viewer.open('d');
  await actions.relabel();
  assert.deepEqual(watched, []);
  assert.equal(notices.list.value[0].text, 'It is being labelled.');
  notices.list.value[0].close();
});

test('undo brings back what was decided before', async () => {
  const corrected = [];
  const added = { name: 'Tom', confidence: 100, parents: [], source: 'OWNER', confirmedAt: 'then', instances: [{ confidence: 100, boundingBox: { left: 0, top: 0, width: 1, height: 1 } }] };
  const { viewer, ...parts } = await viewerOf((name, { ids, ...variables }) => {
    if (name === 'Picture') return { blob: pictureOf('d', { labels: [added] }) };
    corrected.push([name, variables]);
    return { done: { outcomes: [{ __typename: 'CorrectedBlob' }] } };
  });
  viewer.open('d');
  await settled();
  const corrections = new Corrections({ ...parts, viewer });
  await corrections.remove('Tom');
  assert.equal(corrections.undo.value.text, 'Removed Tom');
  assert.equal(corrections.focus.value.control, 'undo');
  await corrections.undo.value.act();
  assert.deepEqual(corrected, [
    ['ResetLabels', { names: ['Tom'] }],
    ['AddLabels', { labels: [{ name: 'Tom', boundingBox: { left: 0, top: 0, width: 1, height: 1 } }] }],
  ]);
  assert.equal(corrections.undo.value, null);
  assert.equal(corrections.focus.value.control, 'add');
});
