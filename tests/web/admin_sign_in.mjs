// Signs in on the operator's page of a service that needs a key:
// node admin_sign_in.mjs http://labels.test:8000 OWNERS_KEY OPERATORS_KEY
import assert from 'node:assert/strict';

import { inBrowser } from './browser.mjs';

const [, , url, ownersKey, operatorsKey] = process.argv;
await inBrowser(url, check, 'only the operator sees');

async function check(browser, faults) {
  const page = browser.pages()[0] ?? (await browser.newPage());
  await page.goto(`${url}/admin`);
  await page.getByRole('heading', { name: 'Sign in as the operator' }).waitFor();
  assert.equal(await page.getByRole('alert').count(), 0); // nothing went wrong yet
  await signIn(page, 'lbl_wrong');
  await page.getByRole('alert').getByText('This key is not valid.').waitFor();
  await signIn(page, ownersKey);
  await page.getByRole('alert').getByText('needs the scope \'operator\'').waitFor();
  await signIn(page, operatorsKey);
  await page.getByText('The service is ready.').waitFor();
  // By the cookie a change is allowed too, from this page.
  await page.locator('#keys').click();
  await page.getByRole('row').filter({ hasText: 'anna' }).getByRole('button', { name: /^Revoke/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.locator('#notices').getByText('of anna was revoked.').waitFor();
  await page.reload();
  await page.getByText('The service is ready.').waitFor();
  const second = await browser.newPage();
  await second.goto(`${url}/admin`);
  await second.getByText('The service is ready.').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  assert.equal(await page.getByText('The service is ready.').count(), 0);
  // Another tab shows nothing any more either.
  await second.getByRole('heading', { name: 'Sign in as the operator' }).waitFor(); // it starts again
  assert.equal(await second.getByText('The service is ready.').count(), 0);
  assert.deepEqual(await browser.cookies(), []);
  assert.ok(faults.some((each) => /^401: .*\/session$/.test(each)));
  const others = faults.filter((each) => !/^(401|403): .*\/(admin\/status|session)$|console error: Failed to load resource/.test(each));
  assert.deepEqual(others, []);
}

async function signIn(page, key) {
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
