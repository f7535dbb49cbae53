// Uses the page of examples/react-apollo or examples/react-urql in Chromium: node react.mjs PAGE PICTURE
import assert from 'node:assert/strict';

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
}
