// Uses the gallery's static files on a host of their own: node elsewhere.mjs PAGE API PICTURE KEY UPLOAD_KEY
import assert from 'node:assert/strict';

import { inBrowser } from './browser.mjs';

const [, , page, api, picture, key, uploadKey] = process.argv;

await inBrowser([page, api], check, 'the gallery works elsewhere');

async function check(browser, faults) {
  const tab = browser.pages()[0] ?? (await browser.newPage());
  await tab.goto(page);
  // The service wants a key, and the page asks for it.
  const dialog = tab.getByRole('dialog', { name: 'Sign in' });
  await dialog.waitFor();
  await tab.getByLabel('API key').fill('lbl_wrong');
  await tab.getByRole('button', { name: 'Sign in' }).click();
  await tab.getByRole('alert').getByText('This key is not valid.').waitFor();
  await tab.getByLabel('API key').fill(key);
  await tab.getByRole('button', { name: 'Sign in' }).click();
  await tab.getByText('No pictures yet.').waitFor();
  await tab.setInputFiles('#files', picture);
  await tab.locator('.tile', { hasText: /Cat \d+%/ }).waitFor();
  await tab.reload(); // the tab has kept the key
  await tab.locator('.tile img.there').waitFor();
  // What was deleted under a key stays deleted when another signs in; nothing of it can be undone then.
  await tab.locator('.tile', { hasText: /Cat \d+%/ }).click();
  await tab.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await tab.getByRole('button', { name: 'Undo' }).waitFor();
  // A key that may only upload can sign in too.
  await tab.locator('#settings-button').click();
  await tab.getByLabel('API key').fill(uploadKey);
  await tab.getByRole('button', { name: 'Sign in' }).click();
  await dialog.getByText('This key opens no pictures').waitFor();
  assert.deepEqual(await stored(tab), [undefined, uploadKey]);
  assert.equal(await tab.getByRole('button', { name: 'Undo' }).count(), 0);
  await tab.waitForFunction(async ([url, former]) => {
    const headers = { Authorization: `Bearer ${former}`, 'Content-Type': 'application/json' };
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query: '{ blobs { nodes { id } } }' }) });
    return (await response.json()).data.blobs.nodes.length === 0;
  }, [api, key]);
  // Signing out removes the key from the browser.
  await tab.getByRole('button', { name: 'Sign out' }).click();
  await dialog.getByText('You are signed out.').waitFor();
  assert.deepEqual(await stored(tab), [undefined, undefined]);
  // A key that an earlier version stored moves into the tab.
  await tab.evaluate((value) => localStorage.setItem('labelling:key', value), key);
  await tab.reload();
  await tab.getByText('No pictures yet.').waitFor();
  assert.deepEqual(await stored(tab), [undefined, key]);
  // Of the wrong key, of the list that the other may not read, and of the socket that was closed for it while it was being spoken to.
  const expected = ['401', '403', 'CLOSING or CLOSED'];
  assert.deepEqual(faults.filter((fault) => !expected.some((part) => fault.includes(part))), []);
}

/** Returns the key that the browser has, and that of the tab. */
function stored(tab) {
  return tab.evaluate(() => [localStorage['labelling:key'], sessionStorage['labelling:key']]);
}
