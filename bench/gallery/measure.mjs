// Measures the gallery of a running service: node measure.mjs http://127.0.0.1:8000 PAGES_TO_SCROLL
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import lighthouse, { desktopConfig } from 'lighthouse';
import { chromium } from 'playwright-core';

const [, , url, pages] = process.argv;
const PORT = 9333;
const profile = mkdtempSync(join(tmpdir(), 'gallery-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1280, height: 800 },
  args: ['--no-sandbox', '--disable-gpu', `--remote-debugging-port=${PORT}`],
});
try {
  for (const [name, config] of [['phone', undefined], ['desktop', desktopConfig]]) {
    const { lhr } = await lighthouse(url, { port: PORT, logLevel: 'error', onlyCategories: ['performance', 'accessibility', 'best-practices'] }, config);
    const scores = Object.values(lhr.categories).map(({ title, score }) => `${title} ${Math.round(score * 100)}`);
    console.log(`lighthouse, ${name}: ${scores.join(', ')}`);
    const metrics = ['first-contentful-paint', 'largest-contentful-paint', 'total-blocking-time', 'cumulative-layout-shift'];
    console.log(`  ${metrics.map((id) => `${id} ${lhr.audits[id].displayValue}`).join(', ')}`);
    const missed = Object.values(lhr.audits).filter(({ score }) => score !== null && score < 0.9).map(({ id }) => id);
    if (missed.length) console.log(`  below 90: ${missed.join(', ')}`);
  }
  const page = await browser.newPage();
  await page.goto(url);
  await page.locator('.tile').first().waitFor();
  await scroll(page, Number(pages));
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}

/** Scrolls on as fast as pages come, telling of the frames now and then. */
async function scroll(page, most) {
  const tell = async () => {
    const { frames, tiles, pictures, heap, seconds } = await page.evaluate(() => window.taken());
    frames.sort((one, other) => one - other);
    const at = (part) => frames[Math.min(frames.length - 1, Math.floor(part * frames.length))].toFixed(1);
    console.log(`${pictures} pictures: ${seconds.toFixed(1)} s, ${tiles} tiles in the document, heap ${(heap / 1e6).toFixed(0)} MB, frames p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`);
  };
  await page.evaluate((limit) => {
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
      window.over = still > 600 || now - began > limit * 1000;
      if (!window.over) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
    window.taken = () => {
      const told = {
        frames: frames.length ? frames : [0],
        tiles: grid.children.length,
        pictures: Math.max(...[...grid.children].map((each) => Number(each.getAttribute('aria-posinset')))),
        heap: performance.memory.usedJSHeapSize,
        seconds: (performance.now() - began) / 1000,
      };
      frames = [];
      return told;
    };
  }, most);
  while (!(await page.evaluate(() => window.over))) {
    await new Promise((done) => { setTimeout(done, 5000); });
    await tell();
  }
}
