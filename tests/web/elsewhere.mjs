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
  // What was deleted under a key is deleted when another is saved; nothing of it can be undone then.
  await tab.locator('.tile', { hasText: /Cat \d+%/ }).click();
  await tab.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await tab.getByRole('button', { name: 'Undo' }).waitFor();
  // A key that may only upload can be saved too.
  await tab.locator('#settings-button').click();
  await tab.getByLabel('API key').fill(uploadKey);
  await tab.getByRole('button', { name: 'Save' }).click();
  await tab.locator('#notices').getByText("needs the scope 'read'").waitFor(); // the list of pictures
  assert.equal(await tab.evaluate(() => localStorage.getItem('labelling:key')), uploadKey);
  assert.equal(await tab.getByRole('button', { name: 'Undo' }).count(), 0);
  await tab.waitForFunction(async ([url, former]) => {
    const headers = { Authorization: `Bearer ${former}`, 'Content-Type': 'application/json' };
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query: '{ blobs { nodes { id } } }' }) });
    return (await response.json()).data.blobs.nodes.length === 0;
  }, [api, key]);
  // A forgotten key is no longer in the browser.
  await tab.locator('#settings-button').click();
  await tab.getByRole('button', { name: 'Forget the key' }).click();
  await tab.getByRole('alert').getByText('API key').waitFor();
  assert.equal(await tab.evaluate(() => localStorage.getItem('labelling:key')), null);
  // Of the wrong key, of the list that the other may not read, and of the socket that was closed for it while it was being spoken to.
  const expected = ['401', '403', 'CLOSING or CLOSED'];
  assert.deepEqual(faults.filter((fault) => !expected.some((part) => fault.includes(part))), []);
}
