// A Chromium that notes whatever goes wrong on a page, and lets no request leave its origin.
// CHROMIUM names the browser; SCREENSHOTS, a folder, keeps pictures of the page.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

// BROWSER_TIMEOUT, in milliseconds, is long enough for a busy machine; a shorter one helps to write a test.
const { CHROMIUM = '/usr/bin/chromium', SCREENSHOTS, BROWSER_TIMEOUT = 90_000 } = process.env;

/**
 * Opens a browser for the pages of `origin` (or of several), has `check` drive it, and sets the exit status.
 * `check` is given the browser and `faults`, which is to stay empty.
 */
export async function inBrowser(origin, check, done) {
  const faults = [];
  const profile = mkdtempSync(join(tmpdir(), 'browser-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    ignoreHTTPSErrors: true,
    colorScheme: 'light',
    viewport: { width: 1280, height: 800 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP *.test 127.0.0.1',
    ],
  });
  try {
    await watch(browser, [origin].flat().map((each) => new URL(each).host), faults);
    await check(browser, faults);
    console.log(done);
  } catch (error) {
    // What the browser complained of is mostly why the check failed.
    console.error(error, faults);
    process.exitCode = 1;
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

async function watch(browser, hosts, faults) {
  browser.setDefaultTimeout(Number(BROWSER_TIMEOUT));
  const elsewhere = (url) =>
    /^(https?|wss?):$/.test(url.protocol) && !hosts.includes(url.host);
  await browser.route(elsewhere, (route) => {
    faults.push(`left the origin: ${route.request().url()}`);
    return route.abort();
  });
  browser.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    // A reload ends what is under way.
    if (reason !== 'net::ERR_ABORTED') faults.push(`failed: ${request.url()} ${reason}`);
  });
  browser.on('response', (response) => {
    if (response.status() >= 400) faults.push(`${response.status()}: ${response.url()}`);
  });
  browser.on('weberror', (webError) => faults.push(`uncaught: ${webError.error().stack}`));
  browser.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      faults.push(`console ${message.type()}: ${message.text()}`);
    }
  });
  await browser.exposeBinding('reportViolation', (_source, text) => faults.push(`CSP: ${text}`));
  await browser.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
}

/** Keeps a picture of the page where SCREENSHOTS says, if it does. */
export async function shot(page, name) {
  if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
