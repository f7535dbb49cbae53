import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Notices } from '../../../web/gallery/src/state/notices.js';

test('a text that is repeated is announced again', () => {
  const notices = new Notices();
  const announced = [];
  notices.spoken.subscribe((text) => announced.push(text.trim()));
  for (let times = 0; times < 3; times += 1) notices.speak('Picture deleted.');
  assert.deepEqual(announced, ['', ...Array(3).fill('Picture deleted.')]);
});

test('a notice stays while it has the focus', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const focus = { inside: true };
  globalThis.document = { get activeElement() { return { closest: (selector) => (focus.inside && selector === '#notices' ? {} : null) }; } };
  context.after(() => { delete globalThis.document; });
  const notices = new Notices();
  notices.show('Picture deleted.', { seconds: 20, actions: [['Undo', () => {}]] });
  context.mock.timers.tick(25_000);
  assert.equal(notices.list.value.length, 1);
  focus.inside = false;
  context.mock.timers.tick(1000);
  assert.equal(notices.list.value.length, 0);
});
