// Scrolls the gallery in a page, and prints what its frames cost.

const FRAME = 1000 / 60; // milliseconds

/**
 * Scrolls as fast as pages load, for at most `limit` seconds, and prints its frames every five seconds and at the end:
 * the times between them, and what does not depend on other programs, namely processor time and requests.
 */
export async function scroll(page, limit) {
  const failed = new Map();
  page.on('response', async (response) => {
    if (!response.url().endsWith('/graphql')) {
      if (response.status() >= 400) count(failed, `${response.status()} of a picture`);
      return;
    }
    const code = (await response.json().catch(() => null))?.errors?.[0].extensions?.code;
    if (code || response.status() >= 400) count(failed, `${response.status()} ${code}`);
  });
  const sent = await watchRequests(page);
  const spent = await watchMainThread(page);
  await page.evaluate(measure, limit);
  const all = { frames: [], work: [], long: 0 };
  const began = await spent();
  let [before, baseline] = [began, 0];
  for (let over = false; !over;) {
    await new Promise((done) => { setTimeout(done, Math.min(5, limit) * 1000); });
    const now = await page.evaluate(() => window.taken());
    over = now.over;
    if (!now.frames.length) throw new Error('The browser draws no more frames: run it again.');
    all.frames.push(...now.frames);
    all.work.push(...now.work);
    all.long += now.long;
    const { pictures, tiles, heap, took } = now;
    const after = await spent();
    const each = (after.TaskDuration - before.TaskDuration) * 1000 / now.frames.length;
    baseline ||= each;
    before = after;
    console.log(`${pictures} pictures: ${took.toFixed(1)} s, ${tiles} tiles in the document, heap ${(heap / 1e6).toFixed(0)} MB, ${told(now)}; `
      + `main thread ${each.toFixed(2)} ms a frame (${(each / baseline).toFixed(2)} of the first)`);
  }
  console.log(`in all: ${told(all)}`);
  const part = (name) => `${((before[name] - began[name]) * 1000 / all.frames.length).toFixed(2)} ms`;
  console.log(`  processor time of the main thread, a frame: ${part('TaskDuration')}; scripts ${part('ScriptDuration')}, layout ${part('LayoutDuration')}, styles ${part('RecalcStyleDuration')}`);
  for (const [what, { requests, cancelled, bytes }] of Object.entries(sent)) {
    console.log(`  ${what}: ${requests} requests, ${cancelled} of them cancelled, ${(bytes / 1e6).toFixed(1)} MB`);
  }
  for (const [what, times] of failed) console.log(`  ${times} responses ${what}`);
}

/** Returns counts of requests, which grow. */
async function watchRequests(page) {
  const sent = Object.fromEntries(['GraphQL', 'images'].map((what) => [what, { requests: 0, cancelled: 0, bytes: 0 }]));
  const kinds = new Map();
  const cdp = await page.context().newCDPSession(page);
  cdp.on('Network.requestWillBeSent', ({ requestId, request }) => {
    const kind = sent[request.url.endsWith('/graphql') ? 'GraphQL' : 'images'];
    kinds.set(requestId, kind);
    kind.requests += 1;
  });
  const end = (requestId, add) => {
    const kind = kinds.get(requestId);
    if (kind) add(kind);
    kinds.delete(requestId);
  };
  cdp.on('Network.loadingFailed', ({ requestId }) => end(requestId, (kind) => { kind.cancelled += 1; }));
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => end(requestId, (kind) => { kind.bytes += encodedDataLength; }));
  await cdp.send('Network.enable');
  return sent;
}

/** Returns a function for the seconds of processor time that the page's main thread has used. */
async function watchMainThread(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await cdp.send('Performance.getMetrics');
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
}

/** @param {Map<string, number>} numbers @param {string} key */
const count = (numbers, key) => numbers.set(key, (numbers.get(key) ?? 0) + 1);

/** Returns what frames cost: times between them, and those of the page's own work in each. */
function told({ frames, work, long }) {
  const at = percentiles(frames);
  const own = percentiles(work);
  const dropped = frames.reduce((sum, each) => sum + Math.max(0, Math.round(each / FRAME) - 1), 0);
  return `frames p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms, ${dropped} of ${frames.length + dropped} dropped; `
    + `scripts p50 ${own(0.5)} ms, p99 ${own(0.99)} ms, longest ${own(1)} ms; ${long} long tasks`;
}

function percentiles(times) {
  const sorted = times.length ? [...times].sort((one, other) => one - other) : [0];
  return (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))].toFixed(1);
}

/** Runs in the page. The grid draws in a frame that it requests, so its work is what runs between two steps' frames. */
function measure(seconds) {
  let [frames, work, long] = [[], [], 0];
  const began = performance.now();
  const grid = document.getElementById('grid');
  let [last, height, still, over] = [began, 0, 0, false];
  new PerformanceObserver((list) => { long += list.getEntries().length; }).observe({ type: 'longtask' });
  const request = window.requestAnimationFrame.bind(window);
  let spent = 0;
  // The page's own callbacks are timed.
  window.requestAnimationFrame = (act) => request((now) => {
    const from = performance.now();
    act(now);
    spent += performance.now() - from;
  });
  const step = (now) => {
    frames.push(now - last);
    work.push(spent);
    [last, spent] = [now, 0];
    window.scrollBy(0, 900);
    still = grid.scrollHeight === height ? still + 1 : 0;
    height = grid.scrollHeight;
    over = still > 600 || now - began > seconds * 1000;
    if (!over) request(step);
  };
  request(step);
  window.taken = () => {
    const told = {
      frames,
      work,
      long,
      over,
      tiles: grid.querySelectorAll('.tile').length,
      pictures: Math.max(...[...grid.querySelectorAll('[data-place]')].map((each) => Number(each.dataset.place) + 1)),
      heap: performance.memory.usedJSHeapSize,
      took: (performance.now() - began) / 1000,
    };
    [frames, work, long] = [[], [], 0];
    return told;
  };
}
