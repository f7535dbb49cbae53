// Corrects labels in the gallery of a running service with one picture of a cat, by mouse, keyboard and touch:
// node corrections.mjs http://127.0.0.1:8000 LABEL
// LABEL is another label of that picture. See browser.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { inBrowser, shot } from './browser.mjs';

const [, , url, label] = process.argv;
const { origin } = new URL(url);
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
await inBrowser(origin, check, 'labels are corrected');

async function check(browser, faults) {
  const page = browser.pages()[0] ?? (await browser.newPage());
  await page.goto(`${origin}/`);
  await page.locator('.tile', { hasText: 'Cat' }).click();
  const view = viewOf(page);
  await view.link('Cat').waitFor();
  await byMouse(view);
  await shot(page, 'gallery-corrections');
  await isAccessible(page);
  await byKeyboard(page, view);
  await byTouch(browser.browser());
  assert.deepEqual(faults, []);
}

function viewOf(page) {
  const dialog = page.getByRole('dialog');
  const labels = dialog.getByRole('list', { name: 'Labels' });
  return {
    button: (name) => dialog.getByRole('button', { name, exact: true }),
    box: dialog.getByRole('combobox', { name: 'Add a label' }),
    found: dialog.getByRole('list', { name: 'What the detector found' }),
    summary: dialog.getByText('What the detector found'),
    item: (name) => labels.getByRole('listitem').filter({ has: page.getByRole('link', { name, exact: true }) }),
    link: (name) => labels.getByRole('link', { name, exact: true }),
    gone: (name) => labels.getByRole('link', { name, exact: true }).waitFor({ state: 'detached' }),
  };
}

/** Each correction is shown, and what the detector found beside it. */
async function byMouse(view) {
  await view.button(`Remove ${label}`).click();
  await view.gone(label);
  await view.button('Confirm Cat').click();
  await view.item('Cat').getByText('confirmed').waitFor();
  await view.summary.click();
  await view.found.locator('del', { hasText: label }).waitFor();
  await view.found.getByText(/^Cat \d+%$/).waitFor();
  await view.button(`Restore ${label}`).click();
  await view.link(label).waitFor();
  await view.button(`Remove ${label}`).click();
  await view.gone(label);
}

/** The focus stays with what is done; an undo brings back what was decided before. */
async function byKeyboard(page, view) {
  await view.box.focus();
  await page.keyboard.type('whisk');
  await page.keyboard.type('ers');
  await page.keyboard.press('Enter');
  await view.item('whiskers').getByText('added').waitFor();
  const focused = (name) => page.waitForFunction((wanted) => document.activeElement.getAttribute('aria-label') === wanted, name);
  await focused('Undo: Added whiskers');
  await page.keyboard.press('Enter');
  await view.gone('whiskers');
  await focused('Add a label');
  await view.button('Do not confirm Cat').press('Space');
  await view.item('Cat').getByText('%').waitFor();
  await focused('Undo: Not confirmed Cat');
  await page.keyboard.press('Enter');
  await view.item('Cat').getByText('confirmed').waitFor();
  await view.box.fill('ca'); // completed by labels in use
  await page.locator('#label-names option[value="Cat"]').waitFor({ state: 'attached' });
  await view.box.fill('');
}

/** On a phone, with the decisions made before; the tile of another page follows. */
async function byTouch(chromium) {
  const phone = await chromium.newContext({ hasTouch: true, viewport: { width: 390, height: 844 } });
  const page = await phone.newPage();
  await page.goto(`${origin}/`);
  await page.locator('.tile', { hasText: 'Cat' }).tap();
  const view = viewOf(page);
  await view.item('Cat').getByText('confirmed').waitFor();
  assert.equal(await view.link(label).count(), 0);
  await view.box.tap();
  await page.keyboard.insertText('Tom');
  await view.button('Add').tap();
  await view.item('Tom').getByText('added').waitFor();
  await view.button('Remove Cat').tap();
  await view.gone('Cat');
  await shot(page, 'gallery-corrections-phone');
  const overflow = await page.evaluate(() => document.querySelector('dialog').scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `wider than the window by ${overflow}`);
  await view.button('Undo: Removed Cat').tap();
  await view.item('Cat').getByText('confirmed').waitFor();
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
