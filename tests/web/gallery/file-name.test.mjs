import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fileName } from '../../../web/gallery/src/text/file-name.js';

test('a name that the service takes stays', () => {
  for (const name of ['cat.jpg', 'Straße ☃ 👩‍🚀.png', '...', 'n'.repeat(255), '👩'.repeat(255)]) assert.equal(fileName(name), name);
});

test('what the service refuses is replaced, and the end of a long name kept', () => {
  assert.equal(fileName('a\nb/c\\d\u2028.jpg'), 'a_b_c_d_.jpg');
  assert.equal(fileName(`${'x'.repeat(300)}.jpg`), `${'x'.repeat(251)}.jpg`);
});

test('a picture without a name has none', () => {
  for (const name of ['', '.', '..']) assert.equal(fileName(name), undefined);
});
