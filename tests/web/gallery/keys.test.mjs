import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keyOf, switchKeys } from '../../../web/gallery/src/ui/keys.js';
import { storage } from './support.mjs';

const inside = (...names) => ({ closest: (selector) => (selector.split(', ').some((each) => names.includes(each)) ? {} : null) });
const pressed = (key, more = {}) => ({ key, target: inside('body'), altKey: false, ctrlKey: false, metaKey: false, ...more });

test('/ and ? are taken where nothing is typed', (context) => {
  context.after(() => { delete globalThis.localStorage; });
  globalThis.localStorage = storage();
  assert.equal(keyOf(pressed('/')), '/');
  assert.equal(keyOf(pressed('?', { shiftKey: true })), '?');
  assert.equal(keyOf(pressed('/', { target: {} })), '/'); // the document
  for (const other of [pressed('a'), pressed('Enter'), pressed('')]) assert.equal(keyOf(other), '');
  for (const name of ['input', 'textarea', 'select']) assert.equal(keyOf(pressed('?', { target: inside(name) })), '');
  for (const name of ['altKey', 'ctrlKey', 'metaKey']) assert.equal(keyOf(pressed('/', { [name]: true })), '');
});

test('/ and ? can be switched off', (context) => {
  context.after(() => { delete globalThis.localStorage; });
  globalThis.localStorage = storage();
  switchKeys(false);
  assert.equal(keyOf(pressed('?')), '');
  switchKeys(true);
  assert.equal(keyOf(pressed('?')), '?');
});
