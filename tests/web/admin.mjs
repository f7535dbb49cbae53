// Uses the operator's page of a running service: node admin.mjs http://127.0.0.1:8000
// The service has a dead letter in each of the queues uploads and hints, an exhausted webhook, an endpoint that is
// gone, and a key of anna. See browser.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { inBrowser, shot } from './browser.mjs';

const [, , url] = process.argv;
const { origin } = new URL(url);
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
await inBrowser(origin, check, 'the operator sees and repairs');

async function check(browser, faults) {
  const page = browser.pages()[0] ?? (await browser.newPage());
  await page.goto(`${origin}/admin`);
  await page.getByText('The service is ready.').waitFor();
  await seesEverything(page);
  await lettersAreRetriedAndDiscarded(page);
  await webhookIsSentAgain(page);
  await endpointIsEnabled(page);
  await keyIsRevoked(page);
  await showsOnAPhone(page);
  assert.deepEqual(faults, []);
}

function button(page, name) {
  return page.getByRole('button', { name, exact: true });
}

function row(page, table, text) {
  return page.getByRole('region', { name: table }).getByRole('row').filter({ hasText: text });
}

function opened(page, id) {
  return page.locator('details', { has: page.locator(`#${id}`) });
}

/** Opens a part of the page by the keyboard. */
async function open(page, id) {
  await page.locator(`#${id}`).press('Enter');
  await page.locator(`details[open] > #${id}`).waitFor();
}

/** Confirms what a button asks, and waits for the notice of the outcome. */
async function confirm(page, label, outcome) {
  await page.getByRole('dialog').getByRole('button', { name: label, exact: true }).click();
  await page.locator('#notices').getByText(outcome).waitFor();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

async function seesEverything(page) {
  await row(page, 'Dead letters of uploads', 'The message is malformed').waitFor();
  await row(page, 'Dead letters of hints', 'The webhook was deleted.').waitFor();
  await row(page, 'Processes', 'detector-0').waitFor();
  await button(page, 'Run the checks').click();
  await page.getByRole('list', { name: 'Findings' }).getByText('backups:').waitFor();
  await page.evaluate(() => scrollTo({ top: 0 }));
  await shot(page, 'admin');
  await open(page, 'owners');
  await row(page, 'Owners', 'anna').waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await isAccessible(page);
    await shot(page, `admin-${colorScheme}`);
  }
}

async function lettersAreRetriedAndDiscarded(page) {
  const retried = row(page, 'Dead letters of hints', 'The webhook was deleted.');
  await retried.getByRole('button', { name: /^Retry message/ }).click();
  await isAccessible(page);
  await confirm(page, 'Retry', /was sent back to hints\.$/);
  await retried.waitFor({ state: 'detached' });
  const discarded = row(page, 'Dead letters of uploads', 'The message is malformed');
  const discard = discarded.getByRole('button', { name: /^Discard message/ });
  await discard.click();
  await page.getByRole('dialog').getByText('can’t be retried').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await discard.click();
  await confirm(page, 'Discard', /was discarded\.$/);
  await opened(page, 'dead-letters').locator('.note', { hasText: 'none' }).waitFor();
}

/** The last button of the list is gone with its row, and the focus stays in its part of the page. */
async function webhookIsSentAgain(page) {
  await open(page, 'webhooks');
  const exhausted = row(page, 'Webhooks: exhausted', 'The receiver answered');
  await row(page, 'Webhooks: exhausted', 'status 500').getByRole('button', { name: 'Send msg_1_1 again' }).click();
  await confirm(page, 'Send again', 'msg_1_1 is sent again.');
  await exhausted.waitFor({ state: 'detached' });
  await page.getByText('No webhook is exhausted.').waitFor();
  await page.waitForFunction(() => document.activeElement.id === 'webhooks');
  await page.getByLabel('State').selectOption('pending');
  await row(page, 'Webhooks: pending', 'msg_1_1').waitFor();
}

async function endpointIsEnabled(page) {
  await open(page, 'endpoints');
  const gone = button(page, 'Enable https://example.com/ of anna');
  await gone.click();
  await confirm(page, 'Enable', 'https://example.com/ is enabled.');
  await gone.waitFor({ state: 'detached' });
}

async function keyIsRevoked(page) {
  await open(page, 'keys');
  await row(page, 'API keys', 'anna').getByRole('button', { name: /^Revoke the key/ }).click();
  await confirm(page, 'Revoke', /of anna was revoked\.$/);
  await page.getByText('There are none. Make one with').waitFor();
}

async function showsOnAPhone(page) {
  await page.setViewportSize({ width: 390, height: 844 });
  await isAccessible(page);
  await page.evaluate(() => scrollTo({ top: 0 }));
  await shot(page, 'admin-phone');
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `wider than the window by ${overflow}`);
}

async function isAccessible(page) {
  const client = await page.context().newCDPSession(page);
  await client.send('Page.setBypassCSP', { enabled: true });
  await client.send('Runtime.evaluate', { expression: readFileSync(axe, 'utf8') });
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
  await client.detach();
}
