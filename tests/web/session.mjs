// Signs in and out on the pages of a service that needs a key: node session.mjs http://labels.test:8000 PICTURE KEY OPERATORS_KEY
import assert from 'node:assert/strict';

import { inBrowser } from './browser.mjs';

const [, , url, picture, key, operatorsKey] = process.argv;

await inBrowser(url, check, 'the pages share a session');

async function check(browser, faults) {
  const tab = browser.pages()[0] ?? (await browser.newPage());
  const kept = (page) => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  await tab.goto(url);
  const refused = answerToSignIn(tab);
  await signInOf(tab).waitFor();
  assert.equal(await tab.getByRole('alert').filter({ hasText: /\S/ }).count(), 0);
  await signIn(tab, 'lbl_wrong');
  assert.equal((await refused).status(), 401);
  await tab.getByRole('alert').getByText('This key is not valid.').waitFor();
  assert.deepEqual(await browser.cookies(), []);
  await signIn(tab, key);
  await tab.getByText('No pictures yet.').waitFor();
  assert.equal(await kept(tab), '[{},{},""]');
  const [cookie, ...others] = await browser.cookies();
  assert.deepEqual(others, []);
  assert.match(cookie.name, /^labelling-[0-9a-f]{8}$/);
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/']);
  assert.ok(!cookie.value.includes(key));

  // The session survives a reload, and changes arrive by the WebSocket.
  const live = tab.waitForEvent('websocket');
  await tab.reload();
  await tab.getByText('No pictures yet.').waitFor();
  const labelled = (await live).waitForEvent('framereceived', ({ payload }) => payload.includes('"LABELLED"'));
  await tab.setInputFiles('#files', picture);
  await tab.locator('.tile', { hasText: /Cat \d+%/ }).waitFor();
  await labelled;
  await tab.locator('#settings-button').click();
  await tab.getByText('Signed in as anna.').waitFor();
  assert.equal(await tab.getByRole('link', { name: 'Admin', exact: true }).count(), 0);

  // GraphiQL has it too, and so has a second tab.
  const graphiql = await browser.newPage();
  await graphiql.goto(`${url}/graphql`);
  assert.ok((await run(graphiql)).data.labels.nodes.some(({ name }) => name === 'Cat'));
  const second = await browser.newPage();
  await second.goto(url);
  await second.locator('.tile img.there').waitFor();

  // Signing out ends it everywhere, and GraphiQL forgets its responses.
  const reloaded = graphiql.waitForEvent('load');
  await tab.getByRole('button', { name: 'Sign out' }).click();
  await signInOf(tab).getByText('You are signed out.').waitFor();
  await signInOf(second).waitFor();
  assert.equal(await second.locator('.tile').count(), 0);
  assert.deepEqual(await browser.cookies(), []);
  await reloaded;
  assert.equal((await run(graphiql)).errors[0].extensions.code, 'UNAUTHENTICATED');
  await graphiql.getByRole('link', { name: 'sign in' }).waitFor();

  // Signing in on one tab signs in on the other.
  await signIn(second, key);
  for (const each of [second, tab]) await each.locator('.tile img.there').waitFor();
  await second.locator('#settings-button').click();
  await second.getByRole('button', { name: 'Sign out' }).click();
  await signInOf(tab).waitFor();

  // An operator's key opens no pictures, and the page says which page it opens.
  await signIn(tab, operatorsKey);
  await signInOf(tab).getByText('This key opens no pictures').waitFor();
  assert.equal(await signInOf(tab).getByRole('link', { name: 'the operator’s page' }).getAttribute('href'), `${url}/admin`);
  assert.equal(await signInOf(tab).getByRole('link', { name: 'Admin', exact: true }).getAttribute('href'), `${url}/admin`);
  assert.equal(await tab.locator('.notice').count(), 0);

  // A key that an earlier version stored becomes a session, on either page.
  for (const [page, path] of [[tab, '/'], [graphiql, '/graphql']]) {
    await browser.clearCookies();
    await page.evaluate((stored) => localStorage.setItem('labelling:key', stored), key);
    const signedIn = answerToSignIn(page);
    await page.goto(url + path);
    assert.equal((await signedIn).status(), 200);
    await page.waitForFunction(() => localStorage.getItem('labelling:key') === null);
    assert.equal((await browser.cookies()).length, 1);
  }
  assert.ok((await run(graphiql)).data.labels);
  assert.ok(!(await kept(graphiql)).includes(key));

  const expected = (fault) => fault.includes('401') || fault.includes('403') || fault.includes('CLOSING or CLOSED') || fault.includes('UNAUTHENTICATED');
  assert.deepEqual(faults.filter((fault) => !expected(fault)), []);
}

function signInOf(tab) {
  return tab.getByRole('dialog', { name: 'Sign in' });
}

async function signIn(tab, value) {
  await tab.getByLabel('API key').fill(value);
  await tab.getByRole('button', { name: 'Sign in' }).click();
}

function answerToSignIn(page) {
  return page.waitForResponse((each) => each.url() === `${url}/session` && each.request().method() === 'POST');
}

/** Executes GraphiQL's example of labels; returns the response. */
async function run(page) {
  // A tab that is chosen before the editors are there does not reach them.
  await page.waitForFunction(() =>
    ['operation.graphql', 'variables.json', 'response.json'].every((name) =>
      globalThis.__MONACO?.editor.getModels().find(({ uri }) => uri.path.endsWith(name))?.isAttachedToEditor(),
    ),
  );
  await page.locator('.graphiql-tab-button', { hasText: /^Labels$/ }).click();
  await page.waitForFunction(() => {
    const operation = globalThis.__MONACO.editor.getModels().find(({ uri }) => uri.path.endsWith('operation.graphql'));
    return operation.getValue().includes('query Labels');
  });
  const answered = page.waitForResponse((response) => response.request().postData()?.includes('query Labels'));
  await page.getByRole('button', { name: /^Execute query/ }).click();
  return (await answered).json();
}
