import assert from 'node:assert/strict';
import { test } from 'node:test';

import { movedBy, WHOLE, within, zoomAt } from '../../../web/gallery/src/viewer/zoom.js';

const stage = { width: 400, height: 300 };
const sheet = { width: 400, height: 200 };

test('the point under the pointer stays where it is', () => {
  const zoom = zoomAt(zoomAt(WHOLE, 2, 100, 50), 1.5, -30, 20);
  const before = zoomAt(WHOLE, 2, 100, 50);
  const pointOf = ({ scale, x, y }, px, py) => [(px - x) / scale, (py - y) / scale];
  const round = (numbers) => numbers.map((each) => Math.round(each * 1e6) / 1e6);
  assert.deepEqual(round(pointOf(zoom, -30, 20)), round(pointOf(before, -30, 20)));
  assert.equal(zoom.scale, 3);
});

test('the scale stays between the whole picture and eight times', () => {
  assert.equal(zoomAt(WHOLE, 0.1).scale, 1);
  assert.equal(zoomAt(WHOLE, 100).scale, 8);
});

test('a picture can be moved to its edges, and no further', () => {
  assert.deepEqual(within(movedBy(WHOLE, 50, 50), sheet, stage), { scale: 1, x: 0, y: 0 });
  assert.deepEqual(within(movedBy({ scale: 2, x: 0, y: 0 }, 900, -900), sheet, stage), { scale: 2, x: 200, y: -50 });
});
