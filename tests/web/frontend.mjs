// Uses examples/frontend.html in Chromium: node frontend.mjs PAGE PICTURE
import assert from 'node:assert/strict';

import { inBrowser } from './browser.mjs';

const [, , page, picture] = process.argv;
const api = new URL(page).hash.slice(1);

await inBrowser([new URL(page).origin, api], check, 'the page works');

async function check(browser, faults) {
  const tab = browser.pages()[0] ?? (await browser.newPage());
  await tab.goto(page);
  await tab.setInputFiles('input', picture);
  await tab.getByRole('status').getByText(/Cat \d+%/).waitFor();
  // A browser asks every page's host for this by itself.
  assert.deepEqual(faults.filter((fault) => !fault.includes('favicon') && !fault.includes('404')), []);
}
