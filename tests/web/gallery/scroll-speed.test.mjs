import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { ScrollSpeed } from '../../../web/gallery/src/ui/ScrollSpeed.js';

test('scrolling is fast until no frame was fast for a while', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const rested = mock.fn();
  const speed = new ScrollSpeed(0, rested);
  const frame = (/** @type {number} */ y, wait = 16) => {
    speed.note(y, 800);
    const { fast } = speed;
    mock.timers.tick(wait);
    return fast;
  };
  assert.deepEqual([100, 300, 100].map((y) => frame(y)), [false, false, false]); // a turn of the wheel
  assert.deepEqual([1000, 1000, 1010, 2000, 2000].map((y) => frame(y)), [true, true, true, true, true]);
  assert.equal(rested.mock.callCount(), 0);
  frame(2000, 100);
  assert.equal(rested.mock.callCount(), 1);
  assert.equal(speed.fast, false);
  assert.equal(frame(1000), true); // backwards
  mock.timers.reset();
});
