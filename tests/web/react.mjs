// Uses the page of examples/react-apollo or examples/react-urql in Chromium: node react.mjs PAGE PICTURE
// Prints "ready" before it uploads a second picture, which waits for a line of input, "waiting" when its labels
// are waited for, and "away" when the page says that the service does not answer.
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
  await failures(tab);
  await narrow(tab);
  await restart(tab);
  await unreachable(browser);
}

/** Chooses a file of these bytes, and sends it. */
async function send(tab, buffer) {
  await tab.getByLabel('Picture').setInputFiles({ name: 'other.png', mimeType: 'image/png', buffer });
  await tab.getByRole('button', { name: 'Find labels' }).click();
}

/** A picture that is not one, a refused PUT and a missing key end with the service's message. */
async function failures(tab) {
  await send(tab, Buffer.from('no picture'));
  await tab.getByRole('alert').getByText('The file seems to be').waitFor();
  await tab.route(/originals/, (route) => {
    const headers = { ...route.request().headers(), 'content-type': 'text/plain' };
    return route.continue({ headers });
  });
  await send(tab, Buffer.from('no picture'));
  await tab.getByRole('alert').getByText(/^Send 'Content-Type: image\/png', not /).waitFor();
  await tab.unroute(/originals/);
  const message = 'A valid API key is needed.';
  await tab.route(/graphql/, (route) => route.fulfill({
    status: 401,
    headers: { 'Access-Control-Allow-Origin': '*', 'Content-Type': 'application/graphql-response+json' },
    body: JSON.stringify({ errors: [{ message, extensions: { code: 'UNAUTHENTICATED' } }] }),
  }));
  await send(tab, Buffer.from('no picture'));
  await tab.getByRole('alert').getByText(message).waitFor();
  await tab.unroute(/graphql/);
}

/** On a phone, a label stays beside its input. */
async function narrow(tab) {
  await tab.setViewportSize({ width: 390, height: 844 });
  const label = await tab.getByText('Labels at most').boundingBox();
  const input = await tab.getByLabel('Labels at most').boundingBox();
  assert.ok(label.height < 2 * input.height, 'the label and its input are on two lines');
  assert.equal(await tab.evaluate(() => document.documentElement.scrollWidth), 390);
}

/** Without a service the page says what to check, and goes on when there is one. */
async function unreachable(browser) {
  const tab = await browser.newPage();
  await tab.goto(page);
  await tab.route(`${api}/**`, (route) => route.abort('connectionrefused'));
  await send(tab, Buffer.concat([await readFile(picture), randomBytes(8)]));
  const silence = tab.getByRole('alert').getByText(`${api} does not answer. Is it running`);
  await silence.waitFor();
  const sending = tab.waitForRequest(/originals/);
  await tab.route(/originals/, (route) => route.abort('connectionrefused'));
  await tab.unroute(`${api}/**`);
  await sending;
  await silence.waitFor();
  await tab.unroute(/originals/);
  await tab.getByRole('listitem').getByText(/^Cat \d+%$/).waitFor();
  assert.equal(await tab.getByRole('alert').count(), 0);
}

/** The page says that the service is away while it waits for labels, which come after a restart. */
async function restart(tab) {
  console.log('ready');
  await once(process.stdin, 'data');
  process.stdin.destroy();
  // Bytes that the service has not seen: others would have labels at once.
  const stream = tab.waitForResponse(async (response) =>
    /event-stream|multipart/.test(response.headers()['content-type']));
  await send(tab, Buffer.concat([await readFile(picture), randomBytes(8)]));
  await stream;
  await tab.getByRole('status').getByText('Waiting for the labels.').waitFor();
  console.log('waiting');
  await tab.getByRole('alert').getByText(`${api} does not answer.`).waitFor();
  console.log('away');
  await tab.getByRole('listitem').getByText(/^Cat \d+%$/).waitFor();
  assert.equal(await tab.getByRole('alert').count(), 0);
}
