// Looks at pictures in the gallery of a running service: node viewer.mjs URL PERSON TIFF HEIC DAMAGED
// These are the ids of an astronaut and of files that browsers can't show; the HEIC is an astronaut too, of 384 by 512
// pixels, that was stored lying. DAMAGED is a JPEG that breaks off. See browser.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { inBrowser, shot } from './browser.mjs';

const [, , url, person, tiff, heic, damaged] = process.argv;
const { origin } = new URL(url);
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
await inBrowser(origin, check, 'the viewer works');

async function check(browser, faults) {
  const page = browser.pages()[0] ?? (await browser.newPage());
  await page.goto(`${origin}/#/picture/${person}`);
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('list', { name: 'Labels' }).waitFor();
  await showsBoxes(page, dialog);
  await zooms(page, dialog);
  await fillsTheScreen(page, dialog);
  await downloads(page, dialog);
  await editsFacts(page, dialog);
  await showsPreviews(page, dialog);
  await saysWhatIsDamaged(page, dialog);
  await byTouch(browser.browser());
  assert.deepEqual(faults, []);
}

function itemOf(dialog) {
  const link = dialog.page().getByRole('link', { name: 'Person', exact: true });
  return dialog.getByRole('list', { name: 'Labels' }).getByRole('listitem').filter({ has: link });
}

/** Of the label under the pointer; of all with their names, at the press of a button. */
async function showsBoxes(page, dialog) {
  const item = itemOf(dialog);
  assert.equal(await dialog.locator('.box').count(), 0);
  await item.hover();
  await dialog.locator('.box.lit[data-of="Person"]').first().waitFor();
  await page.mouse.move(5, 5);
  await dialog.locator('.box').first().waitFor({ state: 'detached' });
  await dialog.getByRole('button', { name: 'Boxes' }).click();
  await dialog.locator('.box', { hasText: 'Person' }).first().click();
  await dialog.locator('.labels li.lit', { hasText: 'Person' }).waitFor();
  await shot(page, 'gallery-boxes');
  // The box is where the person is.
  const [box, sheet] = await Promise.all(['.box.lit', '.sheet'].map((each) => dialog.locator(each).first().boundingBox()));
  assert.ok(box.width > sheet.width / 4 && box.width <= sheet.width + 8, JSON.stringify([box, sheet]));
  await dialog.getByRole('button', { name: 'Boxes' }).click();
  await dialog.locator('.boxes:not(:has(span))').waitFor({ state: 'attached' });
}

async function zooms(page, dialog) {
  const shown = dialog.locator('.tools output');
  const reads = (text) => shown.filter({ hasText: text }).waitFor();
  await dialog.getByRole('button', { name: 'Zoom in' }).click();
  await reads('160%');
  await dialog.getByRole('button', { name: 'Zoom out' }).click();
  await reads('100%');
  const figure = await dialog.locator('figure').boundingBox();
  const middle = [figure.x + figure.width / 2, figure.y + figure.height / 2];
  await page.mouse.dblclick(...middle);
  await reads('300%');
  const left = async () => (await dialog.locator('.whole').boundingBox()).x;
  const before = await left();
  await page.mouse.move(...middle);
  await page.mouse.down();
  await page.mouse.move(middle[0] + 60, middle[1]);
  await page.mouse.up();
  await page.waitForFunction((x) => document.querySelector('.whole').getBoundingClientRect().x > x + 50, before);
  await page.mouse.dblclick(...middle);
  await reads('100%');
  await page.mouse.wheel(0, -500);
  await reads('272%');
  await page.mouse.wheel(0, 5000);
  await reads('100%');
}

async function fillsTheScreen(page, dialog) {
  await dialog.getByRole('button', { name: 'Full screen' }).click();
  await page.waitForFunction(() => document.fullscreenElement?.nodeName === 'FIGURE');
  await page.keyboard.press('ArrowLeft'); // the other picture, still on the full screen
  await page.waitForFunction((hash) => location.hash === hash, `#/picture/${tiff}`);
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction((hash) => location.hash === hash, `#/picture/${person}`);
  await dialog.locator('.tools').waitFor();
  assert.ok(await page.evaluate(() => document.fullscreenElement?.nodeName === 'FIGURE'));
  const colour = await dialog.locator('figure').evaluate((element) => getComputedStyle(element).backgroundColor);
  assert.equal(colour, 'rgb(0, 0, 0)');
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).scrollbarGutter), 'auto'); // no strip beside it
  await shot(page, 'gallery-full-screen');
  await dialog.getByRole('button', { name: 'Full screen' }).click();
  await page.waitForFunction(() => !document.fullscreenElement);
  await page.evaluate(() => { // as a policy of the browser can
    HTMLElement.prototype.requestFullscreen = () => Promise.reject(new TypeError('not allowed'));
  });
  await dialog.getByRole('button', { name: 'Full screen' }).click();
  await dialog.locator('.notice', { hasText: 'The browser refused the full screen.' }).waitFor();
}

async function saysWhatIsDamaged(page, dialog) {
  await page.evaluate((wanted) => { location.hash = `#/picture/${wanted}`; }, damaged);
  await dialog.getByText('The file is damaged and can’t be shown.').waitFor();
  assert.equal(await dialog.getByText('This browser can’t show').count(), 0);
}

async function downloads(page, dialog) {
  const [download] = await Promise.all([page.waitForEvent('download'), dialog.getByRole('link', { name: 'Download' }).click()]);
  assert.match(download.suggestedFilename(), /\.png$/);
  assert.deepEqual([...readFileSync(await download.path()).subarray(1, 4)], [...Buffer.from('PNG')]);
}

/** By keys alone: name, id and own facts, with what the service refuses at its field. The download has the new name. */
async function editsFacts(page, dialog) {
  const form = dialog.getByRole('form', { name: 'Name and facts' });
  const field = (name) => form.getByRole('textbox', { name, exact: true });
  const focused = (name) => page.waitForFunction((wanted) => document.activeElement.dataset.field === wanted, name);
  const edit = async (id) => {
    await page.evaluate((wanted) => { location.hash = `#/picture/${wanted}`; }, id);
    await dialog.getByText(id, { exact: true }).waitFor();
    await dialog.getByRole('button', { name: 'Edit name and facts' }).press('Enter');
    await focused('fileName');
  };
  await edit(tiff);
  await field('Your id').fill('order-17');
  await page.keyboard.press('Enter');
  await dialog.getByText('order-17', { exact: true }).waitFor();
  await page.waitForFunction(() => document.activeElement.id === 'edit-facts');

  await edit(person);
  await page.keyboard.type('a / b.png');
  await field('Your id').fill('order-17');
  await form.getByRole('button', { name: 'Add a fact' }).press('Enter');
  await focused('1.key');
  await page.keyboard.type('Album');
  await page.keyboard.press('Tab');
  await page.keyboard.type('x'.repeat(257));
  await page.keyboard.press('Enter');
  await form.getByText('This must be the name of a file, without its folders.').waitFor();
  await form.getByText('The value must have 1 to 256 characters, not 257.').waitFor();
  await focused('fileName');
  const described = await field('Name').evaluate((input) => [input.ariaInvalid, document.getElementById(input.getAttribute('aria-describedby')).textContent]);
  assert.deepEqual(described, ['true', 'This must be the name of a file, without its folders.']);
  await isAccessible(page);
  await shot(page, 'gallery-facts');
  await field('Name').fill('a dog.png');
  await field('Value').fill('Space');
  await page.keyboard.press('Enter');
  await form.getByText('Another picture of yours has this id.').waitFor();
  await focused('externalId');
  await form.getByRole('link', { name: 'Show that picture' }).press('Enter');
  await page.waitForFunction((hash) => location.hash === hash, `#/picture/${tiff}`);
  await dialog.locator('.notice', { hasText: 'Not saved' }).getByRole('button', { name: 'Return' }).press('Enter');
  await focused('fileName');
  assert.equal(await field('Value').inputValue(), 'Space');
  await field('Your id').fill('order-18');
  await page.keyboard.press('Enter');
  await dialog.getByText('a dog.png', { exact: true }).waitFor();
  await dialog.getByText('Space', { exact: true }).waitFor();
  await page.waitForFunction(() => document.activeElement.id === 'edit-facts');
  const [download] = await Promise.all([page.waitForEvent('download'), dialog.getByRole('link', { name: 'Download' }).click()]);
  assert.equal(download.suggestedFilename(), 'a dog.png');

  await edit(person);
  await page.keyboard.type('nothing');
  await form.getByRole('button', { name: 'Remove Album' }).focus();
  await page.keyboard.press('ArrowRight'); // shows no other picture
  await page.keyboard.press('Escape'); // ends the editing, not the view
  await dialog.getByText('a dog.png', { exact: true }).waitFor();
  await dialog.getByText('Space', { exact: true }).waitFor();
}

async function isAccessible(page) {
  const client = await page.context().newCDPSession(page);
  await client.send('Page.setBypassCSP', { enabled: true });
  await client.send('Runtime.evaluate', { expression: readFileSync(axe, 'utf8') });
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
  await client.detach();
}

/** A WebP of the picture, where the browser can't show the type; boxes fit to it. The original is not loaded in vain. */
async function showsPreviews(page, dialog) {
  const originals = [];
  const note = (request) => originals.push(request.url());
  page.on('request', note);
  for (const [id, width, height] of [[tiff, 451, 300], [heic, 384, 512]]) {
    await page.evaluate((wanted) => { location.hash = `#/picture/${wanted}`; }, id);
    await page.waitForFunction(([wanted, ...size]) => {
      const { src, naturalWidth, naturalHeight } = document.querySelector('.whole') ?? {};
      return src?.includes(`${wanted}/large?`) && size.join() === [naturalWidth, naturalHeight].join();
    }, [id, width, height]);
  }
  assert.deepEqual(originals.filter((each) => each.includes('/originals/')), []);
  page.off('request', note);
  await itemOf(dialog).hover();
  await dialog.locator('.box.lit[data-of="Person"]').first().waitFor();
  const [box, whole] = await Promise.all(['.box.lit', '.whole'].map((each) => dialog.locator(each).first().boundingBox()));
  assert.ok(Math.abs(whole.width / whole.height - 384 / 512) < 0.01, JSON.stringify(whole));
  const inside = box.x >= whole.x - 4 && box.y >= whole.y - 4 && box.x + box.width <= whole.x + whole.width + 4 && box.y + box.height <= whole.y + whole.height + 4;
  assert.ok(inside && box.height > whole.height / 3, JSON.stringify([box, whole]));
  await shot(page, 'gallery-preview');
}

/** Swipes step, two fingers zoom, and a tap highlights a label. */
async function byTouch(chromium) {
  const phone = await chromium.newContext({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } });
  const page = await phone.newPage();
  await page.goto(`${origin}/#/picture/${person}`);
  const dialog = page.getByRole('dialog');
  await itemOf(dialog).waitFor();
  await closes(page, dialog);
  await page.goBack();
  await editsOnAPhone(page, dialog);
  await itemOf(dialog).locator('.percent').tap();
  await dialog.locator('.box.lit').first().waitFor();
  await shot(page, 'gallery-boxes-phone');
  const { x, y, width, height } = await dialog.locator('figure').boundingBox();
  const client = await phone.newCDPSession(page);
  const touch = (type, ...points) => client.send('Input.dispatchTouchEvent', {
    type, touchPoints: points.map(([dx, dy], id) => ({ x: x + width / 2 + dx, y: y + height / 2 + dy, id })),
  });
  await touch('touchStart', [-20, 0], [20, 0]);
  await touch('touchMove', [-40, 0], [40, 0]);
  await touch('touchEnd');
  await dialog.locator('figure.zoomed').waitFor();
  await dialog.locator('.tools output', { hasText: '200%' }).waitFor();
  await dialog.getByRole('button', { name: 'Zoom out' }).tap();
  await dialog.locator('.tools output', { hasText: '125%' }).waitFor();
  await dialog.getByRole('button', { name: 'Zoom out' }).tap();
  await dialog.locator('figure:not(.zoomed)').waitFor();
  await touch('touchStart', [-60, 0]);
  await touch('touchMove', [0, 0]);
  await touch('touchMove', [60, 0]);
  await touch('touchEnd');
  await page.waitForFunction((hash) => location.hash === hash, `#/picture/${tiff}`); // to the right: the newer one
  await phone.close();
}

/** The form fits. */
async function editsOnAPhone(page, dialog) {
  await dialog.getByRole('button', { name: 'Edit name and facts' }).tap();
  await dialog.getByRole('button', { name: 'Remove Album' }).waitFor();
  await shot(page, 'gallery-facts-phone');
  const overflow = await page.evaluate(() => document.querySelector('dialog').scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `wider than the window by ${overflow}`);
  await dialog.getByRole('button', { name: 'Cancel' }).tap();
  await dialog.evaluate((element) => element.scrollTo(0, 0));
}

/** By its button, which nothing covers, wherever the facts are scrolled to. The steps are below the picture. */
async function closes(page, dialog) {
  const close = dialog.getByRole('button', { name: 'Close' });
  const next = await dialog.getByRole('button', { name: 'Next' }).boundingBox();
  assert.ok(next.y + next.height < 700, JSON.stringify(next));
  const { x } = await close.boundingBox();
  assert.ok(next.x + next.width <= x, JSON.stringify([next, x])); // it never covers that step
  await close.tap({ trial: true });
  await dialog.evaluate((element) => element.scrollTo(0, 300));
  await page.waitForFunction(() => document.querySelector('#picture').scrollTop === 300);
  const { y } = await close.boundingBox();
  assert.ok(y > 0 && y < 60, String(y));
  await close.tap();
  await dialog.waitFor({ state: 'hidden' });
}
