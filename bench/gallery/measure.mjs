// Measures the gallery of a running service: node measure.mjs URL SECONDS_TO_SCROLL [phone] [desktop] [smoke]
// A smoke run measures the paint metrics alone: the audits take most of the time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import lighthouse, { desktopConfig } from 'lighthouse';
import { chromium } from 'playwright-core';

import { scroll } from './scroll.mjs';

const [, , url, seconds, ...screens] = process.argv;
const PORT = 9333;
const CATEGORIES = ['performance', 'accessibility', 'best-practices'];
const METRICS = ['first-contentful-paint', 'largest-contentful-paint', 'total-blocking-time', 'cumulative-layout-shift'];
const profile = mkdtempSync(join(tmpdir(), 'gallery-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1280, height: 800 },
  args: ['--no-sandbox', '--disable-gpu', `--remote-debugging-port=${PORT}`],
});
try {
  for (const name of screens) {
    const config = name === 'phone' ? undefined : desktopConfig;
    const wanted = name === 'smoke' ? { onlyAudits: [...METRICS, 'network-requests'] } : { onlyCategories: CATEGORIES };
    const { lhr } = await lighthouse(url, { port: PORT, logLevel: 'error', ...wanted }, config);
    const scores = Object.values(lhr.categories).map(({ title, score }) => `${title} ${Math.round(score * 100)}`);
    console.log(`lighthouse, ${name}: ${scores.join(', ')}`);
    console.log(`  ${METRICS.map((id) => `${id} ${lhr.audits[id].displayValue}`).join(', ')}`);
    const requests = lhr.audits['network-requests'].details.items;
    const bytes = requests.reduce((sum, { transferSize }) => sum + transferSize, 0);
    console.log(`  ${requests.length} requests, ${(bytes / 1000).toFixed(0)} kB`);
    const missed = Object.values(lhr.audits).filter(({ score }) => score !== null && score < 0.9).map(({ id }) => id);
    if (missed.length) console.log(`  below 90: ${missed.join(', ')}`);
  }
  const page = await browser.newPage();
  await page.goto(url);
  await page.locator('.tile').first().waitFor();
  await scroll(page, Number(seconds));
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
