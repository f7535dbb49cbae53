// Finds and selects pictures in the gallery of a running service: node finding.mjs URL PICTURE
// The service has a cat, a coffee, an astronaut and a rocket, and a damaged picture; PICTURE is another one, in a file new.png. See browser.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { inBrowser, shot } from './browser.mjs';

const [, , url, picture] = process.argv;
const { origin } = new URL(url);
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

async function check(browser, faults) {
  const page = browser.pages()[0] ?? (await browser.newPage());
  await isBusyOnce(page);
  await page.goto(`${origin}/`);
  await tiles(page, 5); // asked for again
  await page.getByText('5 pictures', { exact: true }).waitFor();
  await page.getByRole('rowheader', { name: 'Today' }).waitFor();
  await filters(page);
  await sorts(page);
  await suggestsTheNearest(page);
  await explores(page);
  await selectsByMouse(page);
  await exports(page);
  await selectsByKeyboard(page);
  await correctsMany(page);
  await deletesMany(page);
  await announcesNewPictures(browser, page, picture);
  await announcesUploads(page, picture);
  await findsByName(page);
  await returnsAsScrolled(page);
  await byTouch(browser.browser());
  assert.deepEqual(faults, []);
}

const tiles = (page, number) => page.waitForFunction((wanted) => document.querySelectorAll('.tile').length === wanted, number);
const tile = (page, text) => page.locator('.tile', { hasText: text });
const hash = (page, wanted) => page.waitForFunction((text) => location.hash === text, wanted);

await inBrowser(origin, check, 'pictures are found and selected');

/** The first request for pictures takes the service too long. */
async function isBusyOnce(page) {
  let busy = true;
  await page.route('**/graphql', (route) => {
    if (!busy || !route.request().postData()?.includes('query List')) return route.fallback();
    busy = false;
    return route.fulfill({ json: { errors: [{ message: 'The operation took too long.', extensions: { code: 'TIMEOUT' } }] } });
  });
}

/** A failed picture is two clicks away, and says what to do. */
async function filters(page) {
  await page.getByRole('button', { name: 'Filters' }).click();
  await page.getByRole('radio', { name: 'Failed' }).click();
  await tiles(page, 1);
  await hash(page, '#/search?status=failed');
  await page.getByRole('heading', { name: 'Pictures that could not be labelled, newest first' }).waitFor();
  await isAccessible(page);
  await shot(page, 'gallery-filters');
  await page.keyboard.press('Escape');
  await page.locator('#filters').waitFor({ state: 'hidden' });
  await tile(page, 'damaged').click();
  await page.getByRole('dialog').getByText(/damaged\. Upload the file again/).waitFor();
  await page.keyboard.press('Escape');
  await hash(page, '#/search?status=failed');
  await page.getByRole('button', { name: 'Filters' }).click();
  await page.getByRole('radio', { name: 'Any status' }).click();
  await tiles(page, 5);
  await page.getByLabel('To', { exact: true }).fill('2026-01-31');
  await page.getByText('No picture meets the filters.').waitFor();
  await page.reload(); // the address has the filters
  await page.getByText('No picture meets the filters.').waitFor();
  await page.getByRole('button', { name: 'Reset the filters' }).click();
  await tiles(page, 5);
  await page.getByRole('button', { name: 'Filters' }).click();
  await byTypeAndLabels(page);
}

/** The rocket is a JPEG, and so is the damaged picture; nobody confirmed a label yet. */
async function byTypeAndLabels(page) {
  await page.getByRole('combobox', { name: 'Type', exact: true }).selectOption('JPEG');
  await tiles(page, 2);
  await page.getByRole('combobox', { name: 'Labels', exact: true }).selectOption('Not confirmed by you');
  await tiles(page, 1);
  await hash(page, '#/search?type=jpeg&confirmed=no');
  await page.getByRole('heading', { name: 'Pictures, JPEG, with labels that you did not confirm, newest first' }).waitFor();
  await page.getByRole('combobox', { name: 'Labels', exact: true }).selectOption('Confirmed or added by you');
  await page.getByText('No picture meets the filters.').waitFor();
  await page.getByRole('radio', { name: 'Nothing found' }).click();
  const panel = await page.locator('#filters').evaluate((element) => [element.getBoundingClientRect().bottom, element.scrollHeight - element.clientHeight]);
  assert.ok(panel[0] <= 800 && panel[1] === 0, `the filters reach to ${panel[0]} of 800 and scroll by ${panel[1]}`);
  await page.setViewportSize({ width: 1280, height: 500 });
  const low = await page.locator('#filters').evaluate((element) => element.getBoundingClientRect().bottom);
  assert.ok(low <= 500, `the filters reach to ${low} of 500`);
  await page.setViewportSize({ width: 1280, height: 800 });
  await hash(page, '#/search?status=nothing&type=jpeg&confirmed=yes');
  await isAccessible(page);
  await page.getByRole('button', { name: 'Reset', exact: true }).click();
  await tiles(page, 5);
  assert.ok(await page.getByRole('radio', { name: 'Any status' }).evaluate((radio) => radio === document.activeElement));
  await hash(page, '#/');
}

async function sorts(page) {
  const newest = await page.locator('.tile').evaluateAll((all) => all.map((each) => each.getAttribute('href')));
  const select = page.getByLabel('Order');
  assert.ok(await select.locator('option', { hasText: 'Most confident first' }).isDisabled());
  await select.selectOption('Oldest first');
  await hash(page, '#/search?order=oldest');
  await page.waitForFunction(
    (wanted) => [...document.querySelectorAll('.tile')].map((each) => each.getAttribute('href')).join() === wanted,
    [...newest].reverse().join(),
  );
  await page.evaluate(() => { location.hash = '#/search?label=Cat&least=0&order=confidence'; });
  await page.getByRole('heading', { name: 'Pictures of Cat, most confident first' }).waitFor();
  await tiles(page, 1);
  assert.equal(await page.getByRole('rowheader').count(), 0);
  await page.evaluate(() => { location.hash = '#/'; });
  await tiles(page, 5);
}

async function suggestsTheNearest(page) {
  const box = page.getByRole('combobox', { name: 'Search by label' });
  await box.fill('rockit');
  await box.press('Enter');
  await page.getByText('No picture has the label rockit.').waitFor();
  await page.getByText('Instead of rockit').getByRole('button', { name: 'Rocket' }).click();
  await tiles(page, 1);
  await tile(page, 'Rocket').waitFor();
  // Keys that are pressed quickly count, each from where the last one led.
  await page.getByRole('button', { name: 'Remove Rocket from the search' }).click();
  await tiles(page, 5);
  await box.fill('ca');
  await page.getByRole('option', { name: /^Cat 1$/ }).waitFor();
  await box.fill('');
  await page.getByRole('option').nth(2).waitFor();
  const third = await page.getByRole('option').nth(2).locator('span').first().innerText();
  await box.evaluate((input) => {
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'Enter']) input.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  });
  await page.getByRole('heading', { name: `Pictures of ${third}`, exact: true }).waitFor();
  await page.evaluate(() => { location.hash = '#/'; });
  await tiles(page, 5);
}

async function explores(page) {
  await page.getByRole('link', { name: 'Explore' }).click();
  const section = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Animals and Pets' }) });
  const cat = section.getByRole('link', { name: 'Cat 1', exact: true });
  const image = cat.locator('img');
  await image.waitFor();
  assert.ok(await image.evaluate((each) => each.decode().then(() => each.naturalWidth > 0)));
  await page.getByRole('link', { name: 'Pictures that could not be labelled' }).waitFor();
  await isAccessible(page);
  await shot(page, 'gallery-explore');
  await cat.click();
  await tiles(page, 1);
  await page.getByRole('heading', { name: 'Pictures of Cat', exact: true }).waitFor();
  await page.getByRole('link', { name: 'Library' }).click();
  await tiles(page, 5);
}

async function selected(page, number) {
  if (number) await page.getByRole('region', { name: 'Selected pictures' }).getByText(`${number} selected`, { exact: true }).waitFor();
  else await page.getByRole('region', { name: 'Selected pictures' }).waitFor({ state: 'detached' });
  await page.waitForFunction((wanted) => document.querySelectorAll('[aria-selected="true"][role="gridcell"]').length === wanted, number);
}

async function selectsByMouse(page) {
  const all = page.locator('.tile');
  await all.nth(1).click({ modifiers: ['Control'] });
  await selected(page, 1);
  await all.nth(3).click({ modifiers: ['Shift'] });
  await selected(page, 3);
  await all.nth(0).click(); // while something is selected, a click selects
  await selected(page, 4);
  await page.locator('.pick').nth(0).click();
  await selected(page, 3);
  await isAccessible(page);
  await shot(page, 'gallery-selection');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()]);
  assert.equal(download.suggestedFilename(), 'pictures.zip');
  const archive = readFileSync(await download.path());
  assert.equal(archive.subarray(0, 2).toString(), 'PK');
  assert.equal(archive.readUInt16LE(archive.length - 12), 3); // files
  await page.getByRole('button', { name: 'Clear selection' }).click();
  await selected(page, 0);
}

/** From the grid to a file, by keys alone; the focus returns to the button. */
async function exports(page) {
  const focus = (name) => page.waitForFunction((wanted) => document.activeElement.textContent === wanted, name);
  await page.locator('.tile[tabindex="0"]').focus();
  await page.keyboard.press('Control+a');
  await selected(page, 5);
  for (const name of ['Add label', 'Remove label', 'Label again', 'Download', 'Export']) {
    await page.keyboard.press('Tab');
    await focus(name);
  }
  for (const [format, steps] of [['JSON Lines', 2], ['CSV', 3]]) {
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Export the labels of 5 pictures' }).waitFor();
    await focus('Cancel');
    for (let step = 1; step < steps; step += 1) await page.keyboard.press('Tab');
    await focus(format);
    await isAccessible(page);
    await shot(page, 'gallery-export');
    const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
    const text = readFileSync(await download.path(), 'utf8');
    if (format === 'CSV') {
      assert.equal(download.suggestedFilename(), 'labels.csv');
      assert.match(text, /^id,status,content_type,.*,label,confidence,.*\r\n/);
      assert.match(text, /,LABELLED,PNG,.*,Cat,\d/);
    } else {
      assert.equal(download.suggestedFilename(), 'labels.jsonl');
      const rows = text.trimEnd().split('\n').map(JSON.parse);
      assert.equal(rows.length, 5);
      assert.ok(rows.some(({ failure_code: code }) => code === 'CORRUPT_IMAGE'));
    }
    await focus('Export');
  }
  await page.getByRole('button', { name: 'Clear selection' }).click();
  await selected(page, 0);
}

async function selectsByKeyboard(page) {
  await page.locator('.tile[tabindex="0"]').focus();
  await page.keyboard.press('Home');
  const at = (place) => page.waitForFunction((wanted) => document.activeElement.closest('[data-place]')?.dataset.place === wanted, String(place));
  await at(0);
  await page.keyboard.press('Space');
  await selected(page, 1);
  await page.keyboard.press('Shift+ArrowRight');
  await at(1);
  await selected(page, 2);
  await page.keyboard.press('Control+a');
  await selected(page, 5);
  await page.keyboard.press('Escape');
  await selected(page, 0);
  await at(1); // the focus stays
  await page.keyboard.press('Control+a');
  await selected(page, 5);
  await page.getByRole('button', { name: 'Add label' }).focus();
  await page.keyboard.press('Escape'); // with the focus outside the grid
  await selected(page, 0);
  await at(1);
}

/** The labels of several pictures at once; new labels follow by themselves. */
async function correctsMany(page) {
  await tile(page, /Cat \d+%/).click({ modifiers: ['Control'] });
  await tile(page, /Rocket|Missile/).click({ modifiers: ['Control'] });
  await selected(page, 2);
  await page.getByRole('button', { name: 'Add label' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a label' });
  await isAccessible(page);
  await dialog.getByRole('combobox', { name: 'Label' }).fill('Favourite');
  await dialog.getByRole('button', { name: 'Add a label' }).click();
  await page.getByText('Added Favourite to 2 pictures.').first().waitFor();
  await page.evaluate(() => { location.hash = '#/search?label=Favourite&least=0'; });
  await tiles(page, 2);
  await selected(page, 0);
  await page.locator('.tile').nth(0).click({ modifiers: ['Control'] });
  await page.keyboard.press('Control+a');
  await selected(page, 2);
  await page.getByRole('button', { name: 'Remove label' }).click();
  const removing = page.getByRole('dialog', { name: 'Remove a label' });
  await removing.getByRole('combobox', { name: 'Label' }).fill('favourite');
  await removing.getByRole('combobox', { name: 'Label' }).press('Enter');
  const removed = page.locator('.notice', { hasText: 'Removed favourite from 2 pictures.' });
  await removed.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Undone for 2 pictures.').first().waitFor();
  await page.evaluate(() => { location.hash = '#/search?label=favourite&least=0'; });
  await tiles(page, 2);
  await page.evaluate(() => { location.hash = '#/'; });
  await tiles(page, 5);
  await page.locator('.tile').nth(0).focus();
  await page.keyboard.press('Control+a');
  await selected(page, 5);
  await page.getByRole('button', { name: 'Label again' }).click();
  await page.getByText('Labelling 5 pictures again.').first().waitFor();
  await selected(page, 0);
}

async function deletesMany(page) {
  await tile(page, /Coffee|Espresso|Drink/).click({ modifiers: ['Control'] });
  await tile(page, /Cat \d+%/).click({ modifiers: ['Control'] });
  await selected(page, 2);
  const before = await page.locator('.tile').evaluateAll((all) => all.map((each) => each.getAttribute('href')));
  await page.getByRole('button', { name: 'Delete' }).click();
  await tiles(page, 3);
  await page.locator('.notice', { hasText: '2 pictures deleted.' }).getByRole('button', { name: 'Undo' }).click();
  await page.waitForFunction(() => document.activeElement?.id === 'pictures'); // the button is gone
  await tiles(page, 5);
  assert.deepEqual(await page.locator('.tile').evaluateAll((all) => all.map((each) => each.getAttribute('href'))), before);
}

/** A new picture does not shift those that a scrolled reader sees. */
async function announcesNewPictures(browser, page, file) {
  await page.setViewportSize({ width: 400, height: 400 });
  await page.waitForFunction(() => { // the grid must have its new height
    scrollTo({ top: 400 });
    return scrollY === 400;
  });
  const lowest = await page.locator('.tile', { hasText: /Cat \d+%/ }).boundingBox();
  const other = await browser.newPage();
  await other.goto(`${origin}/`);
  await other.setInputFiles('#files', file);
  await tile(other, /Motorcycle/).waitFor();
  await other.close();
  await page.getByRole('button', { name: '1 new' }).waitFor();
  assert.equal((await page.locator('.tile', { hasText: /Cat \d+%/ }).boundingBox()).y, lowest.y);
  await page.getByRole('button', { name: '1 new' }).click();
  await tile(page, /Motorcycle/).waitFor();
  await page.waitForFunction(() => scrollY === 0);
  await page.getByText('6 pictures', { exact: true }).waitFor();
}

/** The page stays where it is scrolled to when its user uploads a picture. */
async function announcesUploads(page, file) {
  await page.waitForFunction(() => {
    scrollTo({ top: 400 });
    return scrollY === 400;
  });
  const cat = page.locator('.tile', { hasText: /Cat \d+%/ });
  const before = await cat.boundingBox();
  const name = 'another.png';
  await page.setInputFiles('#files', { name, mimeType: 'image/png', buffer: Buffer.concat([readFileSync(file), Buffer.from('another')]) });
  await page.getByRole('button', { name: '1 new' }).waitFor();
  assert.deepEqual(await cat.boundingBox(), before);
  await page.getByRole('button', { name: '1 new' }).click();
  await page.waitForFunction(() => scrollY === 0);
  await page.waitForFunction(() => document.querySelectorAll('[data-place="0"] img.there').length === 1);
  await page.locator('[data-place="0"]', { hasText: /Motorcycle/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(name, { exact: true }).waitFor();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByText('6 pictures', { exact: true }).waitFor();
}

/** A text that is not a label finds files by the start of their names. */
async function findsByName(page) {
  const box = page.getByRole('combobox', { name: 'Search by label' });
  await box.fill('NEW');
  await box.press('Enter');
  const files = page.getByRole('list', { name: 'Files named NEW …' });
  await files.getByRole('link', { name: /Motorcycle/ }).waitFor();
  await page.locator('#nothing-hint').waitFor({ state: 'detached' });
  await isAccessible(page);
  await shot(page, 'gallery-nothing');
  await files.getByRole('link', { name: /Motorcycle/ }).click();
  await page.getByRole('dialog').getByText('new.png', { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await hash(page, '#/search?label=NEW&least=0');
  await page.evaluate(() => { location.hash = '#/'; });
  await tiles(page, 6);
}

async function returnsAsScrolled(page) {
  await page.evaluate(() => scrollTo({ top: 300 }));
  await page.waitForFunction(() => scrollY === 300);
  await page.getByRole('link', { name: 'Explore' }).click();
  await page.getByRole('heading', { name: 'Animals and Pets' }).waitFor();
  await page.waitForFunction(() => scrollY === 0);
  await page.goBack();
  await page.waitForFunction(() => scrollY === 300);
  await page.setViewportSize({ width: 1280, height: 800 });
}

async function byTouch(chromium) {
  const phone = await chromium.newContext({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } });
  const page = await phone.newPage();
  await page.goto(`${origin}/`);
  await tiles(page, 6);
  const { x, y } = await page.locator('.tile').nth(1).boundingBox();
  const client = await phone.newCDPSession(page);
  await client.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: x + 40, y: y + 40 }] });
  await selected(page, 1); // a long press
  await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await page.locator('.tile').nth(0).tap();
  await selected(page, 2);
  await shot(page, 'gallery-selection-phone');
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `wider than the window by ${overflow}`);
  await page.getByRole('button', { name: 'Clear selection' }).tap();
  await selected(page, 0);
  await page.getByRole('button', { name: 'Filters' }).tap();
  await page.getByLabel('Order').waitFor();
  await shot(page, 'gallery-filters-phone');
  const { left, right } = await page.evaluate(() => document.querySelector('#filters').getBoundingClientRect().toJSON());
  assert.ok(left >= 0 && right <= 390, `the filters reach from ${left} to ${right}`);
  await page.goto(`${origin}/#/explore`);
  await page.getByRole('link', { name: 'Cat 1', exact: true }).waitFor();
  await shot(page, 'gallery-explore-phone');
  await phone.close();
}

async function isAccessible(page) {
  const client = await page.context().newCDPSession(page);
  await client.send('Page.setBypassCSP', { enabled: true });
  await client.send('Runtime.evaluate', { expression: readFileSync(axe, 'utf8') });
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
  await client.detach();
}
