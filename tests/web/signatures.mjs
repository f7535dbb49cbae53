// Uploads pictures whose names tell another type: node signatures.mjs URL FOLDER TYPE...
// FOLDER has <TYPE>.jpg for each type.
import assert from 'node:assert/strict';
import { join } from 'node:path';

import { inBrowser } from './browser.mjs';

const [, , url, folder, ...types] = process.argv;

await inBrowser(url, check, 'the first bytes decide');

async function check(browser, faults) {
  const page = browser.pages()[0] ?? (await browser.newPage());
  const declared = [];
  page.on('request', (request) => {
    const { variables } = request.url().endsWith('/graphql') ? (request.postDataJSON() ?? {}) : {};
    if (variables?.input?.contentType) declared.push(variables.input.contentType);
  });
  await page.goto(url);
  await page.setInputFiles('#files', types.map((type) => join(folder, `${type}.jpg`)));
  await page.waitForFunction(
    (count) => [...document.querySelectorAll('.tile')].filter((tile) => /Cat \d+%/.test(tile.textContent)).length === count,
    types.length,
  );
  assert.deepEqual(declared.sort(), [...types].sort());
  assert.deepEqual(faults, []);
}
