// Drops many files at once on the gallery of a running service: node dropping.mjs URL CORPUS
// CORPUS is a JSON file: {contents: [base64], files: [{name, type, content, reason}]}, where content is a number in
// contents and reason is what the page says of a file that fails, or null. See browser.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { inBrowser, shot } from './browser.mjs';

const [, , url, path] = process.argv;
const { origin } = new URL(url);
const otherName = origin.replace('127.0.0.1', 'localhost');
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const corpus = JSON.parse(readFileSync(path, 'utf8'));
const listOf = (page) => page.getByRole('dialog', { name: /files? failed$/ });

await inBrowser([origin, otherName], check, 'each file is accounted for');

async function check(browser, faults) {
  const page = browser.pages()[0] ?? (await browser.newPage());
  await page.goto(`${origin}/`);
  await page.getByText('No pictures yet.').waitFor();
  // One transfer is rejected, as by a proxy that is being restarted.
  const size = Buffer.from(corpus.contents[0], 'base64').length; // of a file that nothing else fails for
  await page.route(`**/originals/**content-length=${size}**`, (route) => route.fulfill({ status: 400, body: '' }), { times: 1 });
  await drop(page);
  const failing = corpus.files.filter(({ reason }) => reason);
  const panel = page.getByRole('region', { name: 'Uploads' });
  await panel.getByText(`${failing.length + 1} files failed.`).first().waitFor();
  await shot(page, 'gallery-failed');
  const refused = await findsTheReasons(page, panel, failing);
  await triesAgain(page, refused);
  await everyOtherIsLabelled(page, failing);
  await staysUntilDismissed(page, panel, failing);
  await showsPicturesAfterAJump(page);
  await changesNothingWithinARow(page);
  await loadsPicturesFirst(page);
  await worksAtAnotherName(page);
  assert.deepEqual(faults.filter((each) => !/\b400\b/.test(each)), []);
}

async function drop(page) {
  const carried = await page.evaluateHandle(({ contents, files }) => {
    const transfer = new DataTransfer();
    const bytes = contents.map((each) => Uint8Array.from(atob(each), (letter) => letter.charCodeAt(0)));
    for (const { name, type, content } of files) transfer.items.add(new File([bytes[content]], name, { type }));
    return transfer;
  }, corpus);
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: carried });
  await page.locator('#drop').waitFor();
  await page.dispatchEvent('body', 'drop', { dataTransfer: carried });
}

/** Returns the name of the file whose transfer was rejected. */
async function findsTheReasons(page, panel, failing) {
  await panel.getByRole('button', { name: 'Show what failed' }).click();
  const dialog = listOf(page);
  await dialog.getByRole('heading', { name: `${failing.length + 1} files failed` }).waitFor();
  const rows = await dialog.getByRole('listitem').evaluateAll((all) => all.map((each) => {
    const [name, text] = [...each.querySelectorAll('p')].map((part) => part.innerText);
    return { name, text, again: Boolean(each.querySelector('button')) };
  }));
  const [refused, ...others] = rows.filter(({ again }) => again);
  assert.deepEqual(others, []);
  assert.equal(refused.text, 'The upload was rejected (400). Try again.');
  const found = new Map(rows.map(({ name, text }) => [name, text]));
  assert.equal(found.size, rows.length);
  for (const { name, reason } of failing) assert.ok(found.get(name)?.startsWith(reason), `${name}: ${found.get(name)}`);
  await isAccessible(page);
  await shot(page, 'gallery-failures');
  await page.setViewportSize({ width: 390, height: 844 });
  const overflow = await page.evaluate(() => document.querySelector('#failures').scrollWidth - document.querySelector('#failures').clientWidth);
  assert.ok(overflow <= 0, `the list is wider than the phone by ${overflow}`);
  await shot(page, 'gallery-failures-phone');
  await page.setViewportSize({ width: 1280, height: 800 });
  return refused.name;
}

async function triesAgain(page, name) {
  const dialog = listOf(page);
  await dialog.getByRole('button', { name: `Try again: ${name}` }).click();
  await dialog.getByRole('listitem').filter({ hasText: name }).waitFor({ state: 'detached' });
  await page.waitForFunction(() => document.activeElement.id === 'failures-title');
}

/** The service has each other file, under its name. */
async function everyOtherIsLabelled(page, failing) {
  const wanted = corpus.files.filter(({ reason }) => !reason).map(({ name }) => name).sort();
  const labelled = async () => page.evaluate(async () => {
    const names = [];
    for (let after = null; ;) {
      const query = 'query($after: String) { blobs(filter: {status: [LABELLED]}, first: 100, after: $after) { nodes { fileName } pageInfo { hasNextPage endCursor } } }';
      const response = await fetch('graphql', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query, variables: { after } }) });
      const { nodes, pageInfo } = (await response.json()).data.blobs;
      names.push(...nodes.map(({ fileName }) => fileName));
      if (!pageInfo.hasNextPage) return names.sort();
      after = pageInfo.endCursor;
    }
  });
  await page.waitForFunction(() => document.querySelector('#uploads progress') === null);
  for (let names = await labelled(); ; names = await labelled()) if (names.length >= wanted.length) break;
  assert.deepEqual(await labelled(), wanted);
  assert.equal(wanted.length + failing.length, corpus.files.length);
}

async function staysUntilDismissed(page, panel, failing) {
  const dialog = listOf(page);
  const damaged = failing.find(({ reason }) => reason.startsWith('The file is damaged'));
  await dialog.getByRole('link', { name: damaged.name }).click(); // to the picture, where it can be deleted
  await page.getByRole('dialog').getByText(damaged.name, { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.getByRole('link', { name: 'Explore' }).click();
  await page.getByRole('heading', { name: 'Animals and Pets' }).waitFor();
  await panel.getByText(`${failing.length} files failed.`).first().waitFor();
  await panel.getByRole('button', { name: 'Dismiss' }).click();
  await panel.waitFor({ state: 'hidden' });
  await page.getByRole('link', { name: 'Library' }).click();
  const stored = corpus.files.length - failing.filter(({ stored: is }) => !is).length;
  await page.getByText(`${stored} pictures`, { exact: true }).waitFor();
}

/** All of them, although the page moves a little more before it comes to rest. */
async function showsPicturesAfterAJump(page) {
  await page.evaluate(async () => {
    const frame = () => new Promise((done) => { requestAnimationFrame(done); });
    await frame(); // in which the page scrolls back to where its user left it
    scrollTo(0, 1800);
    await frame();
    await frame();
    scrollBy(0, 1);
  });
  await page.waitForFunction(() => scrollY === 1801);
  await page.waitForFunction(() => {
    const seen = [...document.querySelectorAll('.tile')].filter((each) => {
      const { top, bottom } = each.getBoundingClientRect();
      return bottom > 0 && top < innerHeight && each.dataset.state === 'done';
    });
    return seen.length > 10 && seen.every((each) => each.querySelector('img.there'));
  });
}

/** Scrolling alone changes only what enters and leaves. */
async function changesNothingWithinARow(page) {
  const changes = await page.evaluate(async () => {
    const frame = () => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
    await frame();
    const observer = new MutationObserver(() => {});
    observer.observe(document.querySelector('#grid'), { subtree: true, attributes: true, childList: true });
    scrollBy(0, 1);
    await frame();
    return observer.takeRecords().map(({ type, attributeName }) => `${type} ${attributeName}`);
  });
  assert.deepEqual(changes, []);
}

/** What the first pictures don't need waits until they are there: a browser has few connections. */
async function loadsPicturesFirst(page) {
  const held = [];
  const asked = [];
  await page.route('**/thumbnails/**', (route) => held.push(route));
  page.on('request', (request) => asked.push(request.url()));
  await page.evaluate(() => scrollTo(0, 0));
  await Promise.all([page.waitForEvent('websocket'), page.reload()]);
  await page.waitForFunction(() => document.images.length > 10);
  assert.deepEqual(await page.evaluate(() => [...new Set(Array.from(document.images, ({ fetchPriority }) => fetchPriority))]), ['high', 'auto']);
  assert.deepEqual(asked.filter((url) => /Viewer/.test(url)), []);
  const [damaged] = held;
  await damaged.fulfill({ status: 200, contentType: 'image/webp', body: 'no picture' });
  await page.locator('.frame img[hidden]').waitFor({ state: 'attached' }); // no sign of a broken image
  assert.equal(await page.evaluate(() => {
    const tile = document.querySelector('.tile img').cloneNode();
    tile.removeAttribute('src');
    document.querySelector('.frame').append(tile);
    const { display } = getComputedStyle(tile);
    tile.remove();
    return display;
  }), 'none');
  await Promise.all([page.waitForRequest(/Viewer/), page.unroute('**/thumbnails/**')]); // which lets the others go on
}

/** The URLs of pictures and uploads have the service's address, whatever name the page was opened by. */
async function worksAtAnotherName(page) {
  await page.goto(`${otherName}/`);
  await page.locator('.tile img.there').first().waitFor();
  const sent = page.waitForResponse((response) => response.request().method() === 'PUT');
  const buffer = Buffer.concat([Buffer.from(corpus.contents[0], 'base64'), Buffer.from('another')]);
  await page.setInputFiles('#files', { name: 'another.jpg', mimeType: 'image/jpeg', buffer });
  assert.equal((await sent).status(), 200);
}

async function isAccessible(page) {
  const client = await page.context().newCDPSession(page);
  await client.send('Page.setBypassCSP', { enabled: true });
  await client.send('Runtime.evaluate', { expression: readFileSync(axe, 'utf8') });
  const { violations } = await page.evaluate(() => window.axe.run({ rules: { 'label-content-name-mismatch': { enabled: true } } }));
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
  await client.detach();
}
