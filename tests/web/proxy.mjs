// Uses the pages of a service behind a proxy in Chromium: node proxy.mjs https://127.0.0.1:8443/labels PICTURE KEY
import assert from 'node:assert/strict';

import { inBrowser } from './browser.mjs';

const [, , url, picture, key] = process.argv;

await inBrowser(url, check, 'the pages work behind the proxy');

async function check(browser, faults) {
  const asked = [];
  browser.on('request', (request) => asked.push(request.url()));
  const page = browser.pages()[0] ?? (await browser.newPage());
  const live = page.waitForEvent('websocket');
  await page.goto(`${url}/`);
  await page.getByText('No pictures yet.').waitFor();
  const socket = await live;
  assert.equal(socket.url(), `${url.replace('https', 'wss')}/graphql`);
  const labelled = socket.waitForEvent('framereceived', ({ payload }) => payload.includes('"LABELLED"'));
  await page.setInputFiles('#files', picture);
  await page.locator('.tile', { hasText: /Cat \d+%/ }).waitFor();
  await labelled;
  await page.reload();
  await page.locator('.tile img.there').waitFor(); // the thumbnail
  await page.locator('.tile').click();
  await page.getByRole('dialog').getByText('451 × 300').waitFor(); // until then there is the thumbnail
  const image = page.getByRole('dialog').locator('img');
  assert.ok(await image.evaluate((each) => each.decode().then(() => each.naturalWidth === 451)));

  // With a slash too many, as people type it.
  const worker = page.waitForEvent('worker');
  await page.goto(`${url}/graphql/`);
  assert.equal(page.url(), `${url}/graphql`);
  await page.waitForFunction(() =>
    ['operation.graphql', 'variables.json', 'response.json'].every((name) =>
      globalThis.__MONACO?.editor.getModels().find(({ uri }) => uri.path.endsWith(name))?.isAttachedToEditor(),
    ),
  );
  await worker;
  const answered = page.waitForResponse(
    (response) => response.request().postData()?.includes('query Labels'),
  );
  await page.getByRole('tab', { name: 'Labels', exact: true }).click();
  await page.getByRole('button', { name: /^Execute query/ }).click();
  assert.ok((await (await answered).json()).data);

  // A session's cookie is bound to https and to the path. No key is needed here, but one can be used.
  await page.goto(`${url}/`);
  await page.locator('.tile img.there').waitFor();
  await page.locator('#settings-button').click();
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('No pictures yet.').waitFor(); // the key's owner has none
  const [{ name, path, secure, httpOnly, sameSite }] = await browser.cookies();
  assert.match(name, /^__Secure-labelling-/);
  assert.deepEqual([path, secure, httpOnly, sameSite], [new URL(url).pathname, true, true, 'Strict']);
  await page.locator('#settings-button').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.locator('.tile img.there').waitFor();
  assert.deepEqual(await browser.cookies(), []);

  assert.deepEqual(asked.filter((each) => !/^(blob|data):/.test(each) && !each.startsWith(`${url}/`)), []);
  // The socket that a reload closes while it is being spoken to.
  assert.deepEqual(faults.filter((fault) => !fault.includes('CLOSING or CLOSED')), []);
}
