// Uses the gallery's static files on a host of their own: node elsewhere.mjs PAGE API PICTURE KEY UPLOAD_KEY
import assert from 'node:assert/strict';

import { inBrowser } from './browser.mjs';

const [, , page, api, picture, key, uploadKey] = process.argv;

await inBrowser([page, api], check, 'the gallery works elsewhere');

async function check(browser, faults) {
  const tab = browser.pages()[0] ?? (await browser.newPage());
  await tab.goto(page);
  // The service wants a key, and the page asks for it.
  await tab.getByRole('alert').getByText('API key').waitFor();
  await tab.getByLabel('API key').fill('lbl_wrong');
  await tab.getByRole('button', { name: 'Save' }).click();
  await tab.getByRole('alert').getByText('valid API key').waitFor();
  await tab.getByLabel('API key').fill(key);
  await tab.getByRole('button', { name: 'Save' }).click();
  await tab.getByText('No pictures yet.').waitFor();
  await tab.setInputFiles('#files', picture);
  await tab.locator('.tile', { hasText: /Cat \d+%/ }).waitFor();
  await tab.reload(); // the browser has kept the key
  await tab.locator('.tile img.there').waitFor();
  // A key that may only upload can be saved too.
  await tab.locator('#settings-button').click();
  await tab.getByLabel('API key').fill(uploadKey);
  await tab.getByRole('button', { name: 'Save' }).click();
  await tab.locator('#notices').getByText("needs the scope 'read'").waitFor(); // the list of pictures
  assert.equal(await tab.evaluate(() => localStorage.getItem('labelling:key')), uploadKey);
  // Of the wrong key, of the list that the other may not read, and of the socket that was closed for it while it was being spoken to.
  const expected = ['401', '403', 'CLOSING or CLOSED'];
  assert.deepEqual(faults.filter((fault) => !expected.some((part) => fault.includes(part))), []);
}
