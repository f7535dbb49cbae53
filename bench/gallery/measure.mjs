// Measures the gallery of a running service: node measure.mjs URL SECONDS_TO_SCROLL [phone] [desktop] [smoke]
// A smoke run measures the paint metrics alone: the audits take most of the time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import lighthouse, { desktopConfig } from 'lighthouse';
import { chromium } from 'playwright-core';

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
    const wanted = name === 'smoke' ? { onlyAudits: METRICS } : { onlyCategories: CATEGORIES };
    const { lhr } = await lighthouse(url, { port: PORT, logLevel: 'error', ...wanted }, config);
    const scores = Object.values(lhr.categories).map(({ title, score }) => `${title} ${Math.round(score * 100)}`);
    console.log(`lighthouse, ${name}: ${scores.join(', ')}`);
    console.log(`  ${METRICS.map((id) => `${id} ${lhr.audits[id].displayValue}`).join(', ')}`);
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

/** Scrolls as fast as pages load, and prints the times of frames every five seconds. */
async function scroll(page, limit) {
  const tell = async () => {
    const { frames, tiles, pictures, heap, took } = await page.evaluate(() => window.taken());
    frames.sort((one, other) => one - other);
    const at = (part) => frames[Math.min(frames.length - 1, Math.floor(part * frames.length))].toFixed(1);
    console.log(`${pictures} pictures: ${took.toFixed(1)} s, ${tiles} tiles in the document, heap ${(heap / 1e6).toFixed(0)} MB, frames p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`);
  };
  await page.evaluate((seconds) => {
    let frames = [];
    let last = performance.now();
    const began = last;
    const grid = document.getElementById('grid');
    window.over = false;
    let height = 0;
    let still = 0;
    const step = (now) => {
      frames.push(now - last);
      last = now;
      window.scrollBy(0, 900);
      still = grid.scrollHeight === height ? still + 1 : 0;
      height = grid.scrollHeight;
      window.over = still > 600 || now - began > seconds * 1000;
      if (!window.over) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
    window.taken = () => {
      const told = {
        frames: frames.length ? frames : [0],
        tiles: grid.querySelectorAll('.tile').length,
        pictures: Math.max(...[...grid.querySelectorAll('[data-place]')].map((each) => Number(each.dataset.place) + 1)),
        heap: performance.memory.usedJSHeapSize,
        took: (performance.now() - began) / 1000,
      };
      frames = [];
      return told;
    };
  }, limit);
  while (!(await page.evaluate(() => window.over))) {
    await new Promise((done) => { setTimeout(done, Math.min(5, limit) * 1000); });
    await tell();
  }
}
