// Uses the pages of a service behind a proxy in Chromium: node proxy.mjs https://127.0.0.1:8443/labels PICTURE
import assert from 'node:assert/strict';

import { inBrowser } from './browser.mjs';

const [, , url, picture] = process.argv;

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
  await page.locator('.graphiql-tab-button', { hasText: 'Labels' }).click();
  await page.getByRole('button', { name: /^Execute query/ }).click();
  assert.ok((await (await answered).json()).data);

  assert.deepEqual(asked.filter((each) => !/^(blob|data):/.test(each) && !each.startsWith(`${url}/`)), []);
  assert.deepEqual(faults, []);
}
