// Uses the page of examples/react-apollo or examples/react-urql in Chromium: node react.mjs PAGE PICTURE
// Prints "ready" before it uploads a second picture, which waits for a line of input, and "waiting" when its labels
// are waited for.
import assert from 'node:assert/strict';

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

import { inBrowser } from './browser.mjs';

const [, , page, picture] = process.argv;
const api = new URL(page).hash.slice(1);

await inBrowser([new URL(page).origin, api], check, 'the page works');

async function check(browser, faults) {
  const tab = browser.pages()[0] ?? (await browser.newPage());
  await tab.goto(page);
  await tab.getByLabel('Picture').setInputFiles(picture);
  await tab.getByLabel('Labels at most').fill('99');
  await tab.getByRole('button', { name: 'Find labels' }).click();
  await tab.getByRole('alert').getByText('maxLabels: must be from 1 to 40').waitFor();
  await tab.getByLabel('Labels at most').fill('10');
  await tab.getByRole('button', { name: 'Find labels' }).click();
  await tab.getByRole('listitem').getByText(/^Cat \d+%$/).waitFor();
  assert.equal(await tab.getByRole('alert').count(), 0);
  assert.deepEqual(faults, []);
  await restart(tab);
}

/** The labels come although the service is restarted while the page waits for them. */
async function restart(tab) {
  console.log('ready');
  await once(process.stdin, 'data');
  process.stdin.destroy();
  // Bytes that the service has not seen: others would have labels at once.
  const buffer = Buffer.concat([await readFile(picture), randomBytes(8)]);
  await tab.getByLabel('Picture').setInputFiles({ name: 'other.png', mimeType: 'image/png', buffer });
  const stream = tab.waitForResponse(async (response) =>
    /event-stream|multipart/.test(response.headers()['content-type']));
  await tab.getByRole('button', { name: 'Find labels' }).click();
  await stream;
  await tab.getByRole('status').getByText('Waiting for the labels.').waitFor();
  console.log('waiting');
  await tab.getByRole('listitem').getByText(/^Cat \d+%$/).waitFor();
  assert.equal(await tab.getByRole('alert').count(), 0);
}
