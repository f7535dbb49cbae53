import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readRoute } from '../../../web/gallery/src/router.js';
import { belongs } from '../../../web/gallery/src/state/membership.js';
import { EVERYTHING, filterOf, writeSearch } from '../../../web/gallery/src/text/search.js';
import { blobOf } from './support.mjs';

test('an address has the whole search', () => {
  const searches = [
    EVERYTHING,
    { ...EVERYTHING, labels: ['Cat', 'a & b'], least: 60 },
    { ...EVERYTHING, labels: ['Cat'], order: 'CONFIDENCE' },
    { labels: ['Cat'], least: 5, status: 'LABELLED', type: 'TIFF', confirmed: 'yes', from: '2026-01-31', to: '2026-02-01', order: 'OLDEST' },
    { ...EVERYTHING, status: 'FAILED' },
    { ...EVERYTHING, type: 'HEIC' },
    { ...EVERYTHING, status: 'NOTHING' },
    { ...EVERYTHING, confirmed: 'no' },
  ];
  for (const search of searches) assert.deepEqual(readRoute(writeSearch(search)), { page: 'library', search });
});

test('an address of nonsense is a search without it', () => {
  const hash = '#/search?least=many&status=lost&type=exe&confirmed=perhaps&from=yesterday&order=confidence&label=Cat&label=Dog';
  assert.deepEqual(readRoute(hash), { page: 'library', search: { ...EVERYTHING, labels: ['Cat', 'Dog'] } });
  assert.deepEqual(readRoute('#anything'), { page: 'library', search: EVERYTHING });
});

test('a link to a label keeps the minimum confidence', () => {
  assert.equal(readRoute('#/search?label=Cat', 70).search.least, 70);
});

test('a picture has an address', () => {
  assert.deepEqual(readRoute('#/picture/a%2Fb'), { page: 'picture', id: 'a/b' });
  assert.deepEqual(readRoute('#/explore'), { page: 'explore' });
});

test('days are those of the browser, the last one included', () => {
  const filter = filterOf({ ...EVERYTHING, from: '2026-01-30', to: '2026-01-31' });
  assert.equal(filter.createdAfter, new Date(2026, 0, 30).toISOString());
  assert.equal(filter.createdBefore, new Date(2026, 1, 1).toISOString());
});

test('pictures that never arrived are listed only when asked for', () => {
  assert.deepEqual(filterOf(EVERYTHING), { status: ['LABELLING', 'LABELLED', 'FAILED'] });
  assert.deepEqual(filterOf({ ...EVERYTHING, labels: ['Cat'], least: 60 }), { labels: { all: ['Cat'], minConfidence: 60 } });
});

test('a type and what the user confirmed are conditions of the filter', () => {
  const status = ['LABELLING', 'LABELLED', 'FAILED'];
  assert.deepEqual(filterOf({ ...EVERYTHING, type: 'TIFF' }), { status, contentTypes: ['TIFF'] });
  assert.deepEqual(filterOf({ ...EVERYTHING, status: 'NOTHING' }), { status: ['LABELLED'], labels: { found: false } });
  assert.deepEqual(filterOf({ ...EVERYTHING, confirmed: 'no' }), { status, labels: { confirmed: false } });
  assert.deepEqual(filterOf({ ...EVERYTHING, labels: ['Cat'], confirmed: 'yes' }), { labels: { all: ['Cat'], minConfidence: 0, confirmed: true } });
});

test('a new picture belongs to a search by its type and by what the user confirmed', () => {
  const confirmedAt = '2026-01-31T12:00:00.000Z';
  const label = (name, more) => ({ name, confidence: 90, parents: [], confirmedAt: null, ...more });
  const found = blobOf('a', { labels: [label('Cat'), label('Animal')] });
  const confirmed = blobOf('b', { labels: [label('Cat', { confirmedAt }), label('Animal')] });
  const waiting = blobOf('c', { status: 'LABELLING', labels: null });
  const members = (search) => [found, confirmed, waiting].filter((blob) => belongs(blob, { ...EVERYTHING, ...search }, new Map())).map(({ id }) => id).join('');
  assert.equal(members({ type: 'JPEG' }), 'abc');
  assert.equal(members({ type: 'TIFF' }), '');
  assert.equal(members({ status: 'NOTHING' }), '');
  assert.ok(belongs(blobOf('d', { labels: [] }), { ...EVERYTHING, status: 'NOTHING' }, new Map()));
  assert.equal(members({ confirmed: 'yes' }), 'b');
  assert.equal(members({ confirmed: 'no' }), 'a');
  assert.equal(members({ labels: ['Cat'], confirmed: 'no' }), 'a');
  assert.equal(members({ labels: ['Animal'], confirmed: 'no' }), 'ab');
});
