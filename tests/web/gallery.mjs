// Uses the gallery of a running service in Chromium: node gallery.mjs http://127.0.0.1:8000 PICTURES
// PICTURES is a folder with chelsea.png (a cat), horse.png (a silhouette) and the others named here.
// Prints `stop` and `start`: the caller stops or starts the service, then writes a line.
// See browser.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { inBrowser, shot } from './browser.mjs';

const [, , url, pictures] = process.argv;
const { origin } = new URL(url);
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

await inBrowser(origin, check, 'the gallery works');
process.stdin.destroy();

async function check(browser, faults) {
  await browser.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries()) {
        window.shifts.push({ value, moved: sources.map(({ node }) => node?.id || node?.className || node?.nodeName) });
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const page = browser.pages()[0] ?? (await browser.newPage());
  const response = await page.goto(`${origin}/`);
  assertStrict(response.headers()['content-security-policy']);
  await page.getByText('No pictures yet.').waitFor();
  await shot(page, 'gallery-empty');

  await uploads(page);
  await searches(page);
  await showsOne(page);
  await isLiveInAnotherTab(browser, page);
  await goesByKeyboard(page);
  await keepsWhatIsTyped(page);
  await listsKeys(page);
  await deletesWithUndo(page);
  await showsTextAsText(page);
  await isAccessible(page);
  const shifts = await page.evaluate(() => window.shifts);
  const shifted = shifts.reduce((sum, { value }) => sum + value, 0);
  assert.ok(shifted < 0.02, `the layout shifts: ${JSON.stringify(shifts)}`);
  await looksWell(page);
  assert.deepEqual(faults, []);
  await survivesTheServicesEnd(page);
  await findsCopies(page);
  await showsSuggestions(page);
  await saysTheLimitOfSizes(page);
}

function assertStrict(policy) {
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) {
    assert.ok(policy.split('; ').includes(part), policy);
  }
}

function tile(page, text) {
  return page.locator('.tile', { hasText: text });
}

/** Drops files as a desktop does. One name contains markup. */
async function drop(page, names) {
  const files = names.map(([file, name, type]) => ({
    name,
    type,
    content: readFileSync(join(pictures, file)).toString('base64'),
  }));
  const carried = await page.evaluateHandle((list) => {
    const transfer = new DataTransfer();
    for (const { name, type, content } of list) {
      const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
    }
    return transfer;
  }, files);
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: carried });
  await page.locator('#drop').waitFor();
  await page.dispatchEvent('body', 'drop', { dataTransfer: carried });
  await page.locator('#drop').waitFor({ state: 'hidden' });
}

async function uploads(page) {
  const seen = page.waitForFunction(() => document.querySelector('.frame progress:not([hidden])'));
  await drop(page, [
    ['chelsea.png', 'cat <img src=x onerror=alert(1)>.png', 'image/png'],
    ['coffee.png', 'coffee.png', 'image/png'],
    ['rocket.jpg', 'rocket.jpg', 'image/jpeg'],
    ['no-picture.jpg', 'no-picture.jpg', 'image/jpeg'],
  ]);
  await seen;
  // A preview before the upload ends.
  assert.equal(await page.locator('.frame img[src^="blob:"]').count(), 4);
  await tile(page, /Cat \d+%/).waitFor();
  await tile(page, /Coffee|Espresso/).waitFor();
  await tile(page, /^no-picture\.jpg\s*The file is damaged\.$/).waitFor();
  await tile(page, /^no-picture/).locator('img').waitFor({ state: 'hidden' }); // no sign of a broken image
  assert.equal(await page.locator('.tile').count(), 4);
  await shot(page, 'gallery-labelled');
}

async function saysTheLimitOfSizes(page) {
  const buffer = Buffer.concat([readFileSync(join(pictures, 'coffee.png')), Buffer.alloc(2_000_000)]);
  await page.setInputFiles('#files', { name: 'large.png', mimeType: 'image/png', buffer });
  await tile(page, /^large.png\s*The file has 2\.\d MB; the limit is 2\.0 MB\.$/).waitFor();
}

async function searches(page) {
  const box = page.getByRole('combobox', { name: 'Search by label' });
  await box.fill('ca');
  await page.getByRole('option', { name: /^Cat 1$/ }).waitFor();
  await shot(page, 'gallery-search');
  await box.press('ArrowDown');
  await page.getByRole('option', { name: /^Cat 1$/, selected: true }).waitFor();
  await box.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 1);
  await tile(page, /Cat/).waitFor();
  // A second label that no picture with the first has.
  await box.fill('drink');
  await page.getByRole('option', { name: /^Drink/ }).waitFor();
  await box.press('Enter');
  await page.getByText(/No picture has the labels Cat and Drink/).waitFor();
  await page.getByRole('button', { name: 'Remove Drink from the search' }).click();
  await tile(page, /Cat/).waitFor();
  // No label is that certain.
  await page.locator('#least-range').fill('100');
  await page.getByText(/with a confidence of 100% or more/).waitFor();
  await page.reload(); // the URL has the search
  await page.getByText(/with a confidence of 100% or more/).waitFor();
  await page.getByRole('button', { name: 'Remove Cat from the search' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 4);
  // By another word, completed or from a link.
  await box.fill('kitt');
  await page.getByRole('option', { name: /^Cat \(Kitten\) 1$/ }).waitFor();
  await box.press('Enter');
  await page.getByRole('heading', { name: 'Pictures of Cat', exact: true }).waitFor();
  await page.evaluate(() => { location.hash = '#/search?label=kittens&least=0'; });
  await page.getByRole('heading', { name: 'Pictures of Cat (kittens)' }).waitFor();
  await tile(page, /Cat/).waitFor();
  await page.getByRole('button', { name: 'Remove kittens from the search' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 4);
}

async function showsOne(page) {
  await tile(page, /Cat/).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('heading', { level: 2 }).waitFor();
  const labels = dialog.getByRole('list', { name: 'Labels' });
  await labels.getByRole('link', { name: 'Cat', exact: true }).waitFor();
  await dialog.getByText('451 × 300').waitFor();
  assert.ok(await dialog.locator('img').evaluate((image) => image.decode().then(() => image.naturalWidth === 451)));
  await shot(page, 'gallery-picture');
  await stepsQuickly(page, dialog);
  await labels.getByRole('link', { name: 'Cat', exact: true }).waitFor();
  await labelsAgain(page, dialog);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
}

/** Each key steps from the picture that was asked for last, although that is not loaded yet. */
async function stepsQuickly(page, dialog) {
  const order = await page.locator('.tile').evaluateAll((tiles) => tiles.map((each) => each.getAttribute('href')));
  const from = order.indexOf(await page.evaluate(() => location.hash));
  const [there, back, by] = from < 2 ? ['ArrowRight', 'ArrowLeft', 2] : ['ArrowLeft', 'ArrowRight', -2];
  await page.keyboard.press(there);
  await page.keyboard.press(there);
  await page.waitForFunction((hash) => location.hash === hash, order[from + by]);
  const id = order[from + by].replace('#/picture/', '');
  await dialog.getByText(id, { exact: true }).waitFor();
  await page.keyboard.press(back);
  await page.keyboard.press(back);
  await page.waitForFunction((hash) => location.hash === hash, order[from]);
}

/** The dialog shows the notice, and the picture once it is labelled. */
async function labelsAgain(page, dialog) {
  const started = new Date().toISOString();
  const labelled = page.waitForResponse(async (response) => {
    if (!response.request().postData()?.includes('query Picture')) return false;
    return (await response.json()).data.blob.labelledAt > started;
  });
  await dialog.getByRole('button', { name: 'Label again' }).click();
  const notice = dialog.locator('.notice', { hasText: 'Labelling again.' });
  await notice.click({ trial: true }); // nothing covers it
  await labelled;
  await dialog.getByText('Labelled', { exact: true }).nth(1).waitFor(); // the status, before the name of the time
  assert.ok(await dialog.getByRole('button', { name: 'Label again' }).isEnabled());
}

async function isLiveInAnotherTab(browser, page) {
  const other = await browser.newPage();
  await other.goto(`${origin}/`);
  await tile(other, /Cat/).waitFor();
  const asked = [];
  other.on('request', (request) => asked.push(request.postData() ?? request.url()));
  await page.setInputFiles('#files', join(pictures, 'motorcycle_left.png'));
  await tile(other, /Motorcycle/).waitFor();
  // By subscription: the page only requested the thumbnail.
  assert.deepEqual(asked.filter((each) => each.includes('query')), []);
  await other.close();
  await tile(page, /Motorcycle/).waitFor();
}

async function goesByKeyboard(page) {
  const at = (place) => page.waitForFunction((wanted) => document.activeElement.closest('[data-place]')?.dataset.place === wanted, String(place));
  await page.locator('#settings-button').focus();
  await page.keyboard.press('Tab'); // to the current tile
  await page.waitForFunction(() => document.activeElement.closest('[data-place]'));
  await page.keyboard.press('Home');
  await at(0);
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Motorcycle/);
  await page.keyboard.press('ArrowRight');
  await at(1);
  await page.keyboard.press('Home');
  await at(0);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await at(0);
}

/** A text can be selected beyond the edge of a dialog; a click there closes it. */
async function keepsWhatIsTyped(page) {
  await page.locator('#settings-button').click();
  const field = page.getByRole('dialog').getByLabel('API key');
  await field.fill('half of a key');
  const { x, y, width, height } = await field.boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(2, y);
  await page.mouse.up();
  assert.equal(await field.inputValue(), 'half of a key');
  await page.mouse.click(2, y);
  await field.waitFor({ state: 'hidden' });
  await page.locator('.tile').first().focus();
}

/** `/` searches and `?` lists the keys, unless the user types or switched them off. */
async function listsKeys(page) {
  const box = page.getByRole('combobox', { name: 'Search by label' });
  const list = page.getByRole('dialog', { name: 'Keys' });
  await hasFocusBack(page);
  await page.keyboard.press('/'); // the focus is on a tile
  await page.waitForFunction(() => document.activeElement.id === 'label');
  await page.keyboard.type('/?');
  assert.equal(await box.inputValue(), '/?');
  assert.equal(await list.count(), 0);
  await box.fill('');
  await tile(page, /Cat/).click();
  await page.getByRole('dialog').getByRole('heading', { level: 2 }).waitFor();
  await page.keyboard.press('?'); // above the picture
  await list.getByText('Show this list').waitFor();
  await isWithoutFaults(page);
  await shot(page, 'gallery-keys');
  await list.getByRole('checkbox', { name: 'Use / and ?' }).click();
  await page.keyboard.press('Escape');
  await list.waitFor({ state: 'hidden' });
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await hasFocusBack(page);
  await page.locator('#settings-button').focus();
  await page.keyboard.press('/');
  await page.keyboard.press('?');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'settings-button');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Keys' }).click();
  await list.getByRole('checkbox', { name: 'Use / and ?' }).click();
  await list.getByRole('button', { name: 'Close' }).click();
  await list.waitFor({ state: 'hidden' });
  await page.keyboard.press('/');
  await page.waitForFunction(() => document.activeElement.id === 'label');
}

/** Waits until a closed picture has given the focus back to its tile. */
async function hasFocusBack(page) {
  await page.waitForFunction(() => !location.hash.startsWith('#/picture/'));
  await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
}

async function deletesWithUndo(page) {
  const failed = tile(page, 'no-picture.jpg');
  const remove = async () => {
    await failed.click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await failed.waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement.closest('[data-place]')); // the focus is on the next picture
  };
  const other = await page.context().browser().newPage();
  const listens = new Promise((done) => {
    other.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => payload.includes('DELETED') && done());
    });
  });
  await other.goto(`${origin}/`);
  await listens;
  const polling = await page.context().newPage();
  await polling.routeWebSocket(/graphql/, (socket) => socket.close());
  await polling.goto(`${origin}/`);
  await tile(polling, 'no-picture.jpg').waitFor();
  await tile(other, 'no-picture.jpg').waitFor();
  const before = await hrefs(other);
  await remove();
  await tile(other, 'no-picture.jpg').waitFor({ state: 'detached' }); // live, in every tab
  await tile(polling, 'no-picture.jpg').waitFor({ state: 'detached' }); // also without a WebSocket
  await page.getByRole('button', { name: 'Undo' }).click();
  await failed.waitFor();
  await tile(other, 'no-picture.jpg').waitFor();
  assert.deepEqual(await hrefs(other), before); // at its place
  await tile(polling, 'no-picture.jpg').waitFor();
  assert.deepEqual(await hrefs(polling), before);
  await page.reload();
  await failed.waitFor(); // it was not deleted
  await remove();
  await page.goto('about:blank'); // leaving the page takes nothing back
  await tile(other, 'no-picture.jpg').waitFor({ state: 'detached' });
  await polling.close();
  await other.close();
  await page.goto(`${origin}/`);
  await tile(page, /Cat/).waitFor();
  assert.equal(await failed.count(), 0);
}

/** Returns the addresses of the pictures, in the order of the page. */
function hrefs(page) {
  return page.locator('.tile').evaluateAll((all) => all.map((each) => each.getAttribute('href')));
}

/** Text from the service is not parsed as markup. */
async function showsTextAsText(page) {
  const evil = '<img src=x onerror="document.title=1"><b>bold</b>';
  await page.route('**/graphql', async (route) => {
    const answer = await route.fetch();
    const text = (await answer.text()).replaceAll('"Cat"', JSON.stringify(evil));
    await route.fulfill({ response: answer, body: text });
  });
  await page.reload();
  await tile(page, '<b>bold</b>').waitFor();
  await tile(page, '<b>bold</b>').click();
  await page.getByRole('dialog').getByRole('link', { name: evil }).waitFor();
  assert.equal(await page.locator('img[src="x"], b').count(), 0);
  await page.keyboard.press('Escape');
  await page.waitForLoadState('networkidle'); // a response on its way would meet no route
  await page.unroute('**/graphql');
  await page.goto(`${origin}/`);
  await page.reload();
  await tile(page, /Cat/).waitFor();
}

async function isAccessible(page) {
  for (const open of [null, /Cat/]) {
    if (open) {
      await tile(page, open).click();
      await page.getByRole('dialog').getByRole('heading', { level: 2 }).waitFor();
    }
    await isWithoutFaults(page);
  }
  await page.keyboard.press('Escape');
}

/** axe finds nothing. */
async function isWithoutFaults(page) {
  // As the browser's own tools do, past the page's policy.
  const client = await page.context().newCDPSession(page);
  await client.send('Page.setBypassCSP', { enabled: true });
  await client.send('Runtime.evaluate', { expression: readFileSync(axe, 'utf8') });
  const { violations } = await page.evaluate(() => window.axe.run({ rules: { 'label-content-name-mismatch': { enabled: true } } }));
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    [],
  );
  await client.detach();
}

async function looksWell(page) {
  for (const [device, width, height] of [['phone', 390, 844], ['tablet', 820, 1180], ['wide', 1680, 1000]]) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
      await shot(page, `gallery-${device}-${colorScheme}`);
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${device}: wider than the window by ${overflow}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

async function survivesTheServicesEnd(page) {
  await told('stop');
  await page.setInputFiles('#files', join(pictures, 'coins.png'));
  await page.getByRole('alert').getByText('can’t be reached').waitFor();
  await tile(page, 'Waiting').waitFor();
  await shot(page, 'gallery-offline');
  await asksBeforeLeaving(page);
  await told('start');
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  // The waiting upload is sent.
  await page.waitForFunction(() => !document.body.innerText.includes('Waiting'));
  await page.waitForFunction(() => document.querySelector('[data-state="done"] .more')?.textContent.includes('coins') || document.querySelectorAll('[data-state="done"]').length === 5);
}

/** An upload waits: a closed page would lose its file. */
async function asksBeforeLeaving(page) {
  const asked = page.waitForEvent('dialog');
  await page.close({ runBeforeUnload: true });
  const dialog = await asked;
  assert.equal(dialog.type(), 'beforeunload');
  await dialog.dismiss();
  await tile(page, 'Waiting').waitFor();
}

/** The first picture was labelled before the service stopped. */
async function findsCopies(page) {
  const cats = page.locator('.tile', { hasText: /Cat \d+%/ });
  await page.setInputFiles('#files', join(pictures, 'small-cat.jpg'));
  await cats.nth(1).waitFor();
  await cats.nth(1).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('451 × 300').waitFor();
  const copies = dialog.getByRole('list', { name: 'Copies of this picture' });
  const copy = copies.getByRole('img');
  assert.ok(await copy.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
  assert.equal(await copies.getByRole('listitem').count(), 1);
  await shot(page, 'gallery-copies');
  await copy.click();
  await dialog.getByText('226 × 150').waitFor();
  await copies.getByRole('img').waitFor();
}

/** Nothing is certain about a silhouette of a horse. */
async function showsSuggestions(page) {
  await page.keyboard.press('Escape');
  await page.setInputFiles('#files', join(pictures, 'horse.png'));
  const unsure = tile(page, /Perhaps Animal \d+%/);
  await unsure.click();
  const item = page.getByRole('dialog').getByRole('listitem').filter({ hasText: /^Animal/ });
  await item.getByText(/^perhaps \d+%$/).waitFor();
  const colour = (element) => getComputedStyle(element).color;
  const link = item.getByRole('link', { name: 'Animal' });
  assert.equal(await link.evaluate(colour), await unsure.locator('.more').evaluate(colour), 'it is gray');
  await shot(page, 'gallery-suggestions');
}

async function told(what) {
  console.log(what);
  await answers.next();
}
