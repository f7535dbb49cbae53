// Opens GraphiQL of a running service in Chromium: node graphiql.mjs http://127.0.0.1:8000 cat.png
// See browser.mjs for its environment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { inBrowser, shot } from './browser.mjs';

const { origin } = new URL(process.argv[2]);
const picture = process.argv[3];

await inBrowser(origin, check, 'GraphiQL works');

async function check(browser, faults) {
  const requests = [];
  browser.on('request', (request) => requests.push(request));
  await browser.addInitScript(() => {
    const editor = () => globalThis.__MONACO.editor;
    window.model = (name) => editor().getModels().find(({ uri }) => uri.path.endsWith(name));
    window.text = (name) => window.model(name).getValue();
    window.markers = (name) =>
      editor().getModelMarkers({ resource: window.model(name).uri }).map(({ message }) => message);
  });

  const page = browser.pages()[0] ?? (await browser.newPage());

  const response = await page.goto(`${origin}/graphql`);
  policyIsStrict(response.headers()['content-security-policy']);
  assert.equal(await page.title(), 'GraphiQL – Image labelling');

  const tabs = page.locator('.graphiql-tab-button');
  await tabs.first().waitFor();
  await editorsReady(page);
  const names = await tabs.allInnerTexts();
  assert.deepEqual(names, ['CreateUpload', 'Blob', 'Blobs', 'AddLabels', 'Labels', 'BlobEvents']);
  const [query, variables] = await openEditors(page);
  assert.ok(variables, 'the first tab has no variables');

  // A changed query is there after a reload, with its variables and in its own tab.
  const changed = `# changed\n${query}`;
  await setModel(page, 'operation.graphql', changed);
  await stored(page, '# changed', ['graphiql:query', 'graphiql:tabState']);
  await page.reload();
  await editorsReady(page);
  assert.deepEqual(await openEditors(page), [changed, variables]);
  assert.deepEqual(await tabs.allInnerTexts(), names);

  // The first example is marked as wrong only once something is missing in it.
  const upload = tabs.nth(names.indexOf('CreateUpload'));
  await upload.click();
  const complete = await page.evaluate(() => text('variables.json'));
  await setModel(page, 'variables.json', '{"input": {}}');
  await marker(page, 'variables.json', 'Missing property "contentType"');
  // Fields and variables with a default may be missing.
  assert.deepEqual(await page.evaluate(() => markers('variables.json')), ['Missing property "contentType".']);
  await setModel(page, 'variables.json', complete);
  await page.waitForFunction(() => markers('variables.json').length === 0);

  await tabs.nth(names.indexOf('AddLabels')).click();
  await page.waitForFunction(() => text('variables.json').includes('"labels"'));
  const found = await page.evaluate(() => text('variables.json'));
  await setModel(page, 'variables.json', '{"ids": []}');
  await marker(page, 'variables.json', 'Missing property "labels"');
  assert.deepEqual(await page.evaluate(() => markers('variables.json')), ['Missing property "labels".']);
  await stored(page, '{"ids": []}', ['graphiql:variables']);
  await setModel(page, 'variables.json', found);
  await stored(page, 'Dog', ['graphiql:variables']);
  await page.waitForFunction(() => markers('variables.json').length === 0);

  // Every example runs, by the button, against the schema as it is.
  for (const name of names) {
    await tabs.nth(names.indexOf(name)).click();
    const answering = run(page);
    if (name === 'BlobEvents') await uploadUntil(answering); // a subscription waits for an event
    const answer = JSON.parse(await answering);
    assert.equal(answer.errors, undefined, `${name}: ${JSON.stringify(answer.errors)}`);
    assert.ok(answer.data, `${name}: no data`);
    await shot(page, `example-${name}`);
    if (name === 'BlobEvents') {
      await page.locator('.graphiql-execute-button').click(); // stops the subscription
      await page.getByRole('button', { name: /^Execute query/ }).waitFor();
    }
  }

  // The documentation comes from introspection.
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const docs = page.locator('.graphiql-doc-explorer');
  await docs.getByText('Query', { exact: true }).click();
  await docs.getByText('blobsByLabel', { exact: true }).click();
  await docs.getByText('minConfidence', { exact: true }).waitFor();
  await shot(page, 'documentation');

  // The workers answer: the schema marks a wrong field, JSON a wrong variable.
  await setModel(page, 'operation.graphql', '{ nope }');
  await marker(page, 'operation.graphql', 'Cannot query field "nope"');
  await setModel(page, 'operation.graphql', 'query Labels { labels { nodes { name } } }');
  await setModel(page, 'variables.json', '{"first": }');
  await marker(page, 'variables.json', 'Value expected');
  assert.equal(page.workers().length >= 2, true, 'no workers');

  // Prettify lays out the operation and the variables and keeps comments.
  await setModel(page, 'variables.json', '{/* one */"first":1}');
  await page.getByRole('button', { name: /^Prettify/ }).click();
  await page.waitForFunction(() => /^query Labels \{\n  labels \{/.test(text('operation.graphql')));
  await page.waitForFunction(() => text('variables.json').includes('/* one */\n  "first": 1\n}'));

  // Light and dark follow the system, without a reload.
  assert.equal(await page.locator('.monaco-editor.vs-dark').count(), 0);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.locator('.monaco-editor.vs-dark').first().waitFor();
  await shot(page, 'dark');

  assert.deepEqual(faults, []);
  const elsewhere = requests.map((request) => request.url()).filter((url) => !allowed(url));
  assert.deepEqual(elsewhere, []);

  // The headers editor's key goes out, and the browser does not store it.
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  await setModel(page, 'request-headers.json', '{"Authorization": "Bearer typed"}');
  assert.equal(await sentKey(page), 'Bearer typed');
  await stored(page, 'Labels', ['graphiql:queries']); // the history has the operation
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes('typed')), false);
  await page.reload();
  assert.equal(await sentKey(page), undefined);
}

function policyIsStrict(policy) {
  assert.ok(policy, 'no Content-Security-Policy');
  const directives = Object.fromEntries(
    policy.split(';').map((part) => {
      const [name, ...sources] = part.trim().split(/\s+/);
      return [name, sources.join(' ')];
    }),
  );
  assert.ok(["'none'", "'self'"].includes(directives['default-src']), policy);
  for (const name of ['script-src', 'connect-src', 'worker-src']) {
    assert.equal(directives[name], "'self'", policy);
  }
}

function allowed(url) {
  return url.startsWith(`${origin}/graphql`) || url.startsWith(`${origin}/graphiql/`) || /^data:/.test(url);
}

function editorsReady(page) {
  return page.waitForFunction(() =>
    ['operation.graphql', 'variables.json', 'request-headers.json', 'response.json'].every(
      (name) => globalThis.__MONACO && model(name)?.isAttachedToEditor(),
    ),
  );
}

function openEditors(page) {
  return page.evaluate(() => [text('operation.graphql'), text('variables.json')]);
}

function setModel(page, name, value) {
  return page.evaluate(([file, content]) => model(file).setValue(content), [name, value]);
}

function stored(page, content, keys) {
  return page.waitForFunction(
    ([part, names]) => names.every((name) => localStorage.getItem(name)?.includes(part)),
    [content, keys],
  );
}

function marker(page, name, message) {
  return page.waitForFunction(
    ([file, start]) => markers(file).some((found) => found.startsWith(start)),
    [name, message],
  );
}

async function run(page) {
  await setModel(page, 'response.json', '');
  await page.getByRole('button', { name: /^Execute query/ }).click();
  const answer = await page.waitForFunction(() => text('response.json').trim());
  return answer.jsonValue();
}

async function uploadUntil(told) {
  let done = false;
  told.finally(() => { done = true; });
  while (!done) {
    const query = `mutation { createUpload(input: {contentType: PNG}) {
      ... on CreatedUpload { target { url headers { name value } } } } }`;
    const made = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    const { url, headers } = (await made.json()).data.createUpload.target;
    await fetch(url, {
      method: 'PUT',
      headers: headers.map(({ name, value }) => [name, value]),
      body: readFileSync(picture),
    });
    await new Promise((rested) => { setTimeout(rested, 500); });
  }
}

async function sentKey(page) {
  const execute = page.getByRole('button', { name: /^Execute query/ });
  await editorsReady(page);
  const sent = page.waitForRequest(
    (request) =>
      request.method() === 'POST' && !request.postDataJSON().query.includes('IntrospectionQuery'),
  );
  await execute.click();
  return (await sent).headers().authorization;
}
