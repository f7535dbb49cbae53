import { ask, change, onReachable, setReachable } from './api.js';
import { Collection } from './collection.js';
import { byId, make, notice, speak } from './dom.js';
import { Grid } from './grid.js';
import { DELETE, DELETE_ALL, EVENTS } from './operations.js';
import { PictureView } from './picture.js';
import { Search } from './search.js';
import { openSettings } from './settings.js';
import { Uploads } from './uploads.js';
import { count, described, headingOf } from './words.js';

const UNDO_SECONDS = 7;
const MAX_IDS = 100; // of one deleteBlobs
const POLL = 3000; // while the WebSocket is disconnected
const KNOCK = 2000; // while the service is unreachable
const FINAL = new Set(['LABELLED', 'FAILED', 'EXPIRED']);

const watched = new Map(); // blobs that are being labelled: the function that ends the subscription
const leaving = new Map(); // blobs that will be deleted unless the user undoes it

const collection = new Collection((key) => (key === null ? draw() : grid.touch(key)));
const grid = new Grid(byId('grid'), collection, {
  onNeed: (keys) => quietly(collection.know(keys)),
  onEnd: more,
  onBroken: (key) => broken(key),
});
const search = new Search((wanted) => go(wanted));
const picture = new PictureView({
  remove,
  step: (id, by) => step(id, by),
  watch: (blob) => watch(blob),
  close: () => location.hash.startsWith('#/picture/') && go(search.search),
});
let live = null; // connects after the first page
const uploads = new Uploads(collection, { onSent: watch, onProgress: summary });

function draw() {
  grid.plan();
  byId('heading').textContent = headingOf(collection);
  const nothing = collection.complete && !collection.order.length;
  byId('nothing').hidden = !nothing;
  byId('grid').setAttribute('aria-busy', String(!collection.complete && !collection.order.length));
  if (nothing) {
    const { labels, least } = collection.search;
    const sure = least > 0 ? ` with a confidence of ${least}% or more` : '';
    byId('nothing-text').textContent = labels.length
      ? `No picture has the ${labels.length > 1 ? 'labels' : 'label'} ${labels.join(' and ')}${sure}.`
      : 'No pictures yet.';
    byId('nothing-hint').textContent = labels.length
      ? least > 0 ? 'Try fewer labels or a lower confidence.' : 'Try fewer labels.'
      : 'Drop pictures here, paste one, or choose Upload.';
  }
}

/** Waits for a promise and shows its error. A temporary error shows as the outage banner. */
async function quietly(promise) {
  try {
    await promise;
  } catch (error) {
    if (error.code === 'UNAUTHENTICATED') openSettings(restart, error.message);
    else if (!error.passing) notice(error.message);
  }
}

async function more() {
  if (!collection.complete && !collection.loading && !failing) {
    try {
      await collection.more();
    } catch (error) {
      failing = true; // stops requests at every frame until the service is reachable again
      await quietly(Promise.reject(error));
    }
  }
}
let failing = false;

const lately = new Map();
function broken(key) {
  // A signed URL expires. At most one request a minute for each picture.
  if (Date.now() - (lately.get(key) ?? 0) < 60_000) return;
  lately.set(key, Date.now());
  quietly(collection.know([key], { reload: true }));
}

// Live updates: one subscription for all blobs that are labelled, corrected or deleted, or that failed, and
// one for each upload of this page and each picture that it has labelled again.

async function goLive() {
  const { Live } = await import('./live.js');
  live = new Live();
  live.subscribe(EVENTS, { filter: { kinds: ['LABELLED', 'FAILED', 'EDITED', 'DELETED'] } }, happened);
  for (const id of watched.keys()) follow(id);
}

function follow(id) {
  const end = live?.subscribe(EVENTS, { filter: { blobIds: [id] } }, ({ blob }) => blob && news(blob));
  watched.set(id, end);
}

function happened({ kind, blobId, blob }) {
  if (blob) collection.take(blob);
  if (kind !== 'DELETED') {
    if (picture.id === blobId) picture.look();
    return;
  }
  watched.get(blobId)?.();
  watched.delete(blobId);
  collection.remove(blobId);
  picture.alike.remove(blobId);
  if (picture.id === blobId) picture.look();
}

function watch({ id }) {
  if (!watched.has(id)) follow(id);
}

function news(blob) {
  collection.take(blob);
  if (!FINAL.has(blob.status)) return;
  watched.get(blob.id)?.();
  if (watched.delete(blob.id)) {
    const { upload } = collection.find(blob.id) ?? {};
    speak(`${upload?.name ?? 'Picture'}: ${described(blob)}`);
  }
  if (picture.id === blob.id) picture.look();
}

setInterval(async () => {
  if (live?.connected || document.hidden || !navigator.onLine) return;
  await quietly(collection.refresh());
  const keys = [...watched.keys()].map((id) => collection.find(id)?.key).filter(Boolean);
  keys.push(...grid.visible()); // other tabs can delete and correct them
  await quietly(collection.know(keys, { reload: true }));
  for (const id of watched.keys()) {
    const { blob } = collection.find(id) ?? {};
    if (blob) news(blob);
  }
}, POLL);

// The service becomes unreachable, or reachable again.

let knocking = null;
onReachable((reachable) => {
  byId('outage').hidden = reachable;
  byId('outage').textContent = reachable ? '' : 'The service can’t be reached. Trying again …';
  clearInterval(knocking);
  if (reachable) {
    failing = false;
    quietly(collection.order.length ? collection.refresh() : Promise.resolve()).then(draw);
  } else knocking = setInterval(() => ask('{ __typename }').catch(() => {}), KNOCK);
});
addEventListener('offline', () => setReachable(false));

// Uploads: chosen, dropped or pasted.

function upload(files) {
  const pictures = [...files];
  if (!pictures.length) return;
  if (collection.search.labels.length) show({ labels: [], least: search.least });
  scrollTo({ top: 0 });
  uploads.add(pictures);
  speak(pictures.length === 1 ? 'Uploading 1 picture.' : `Uploading ${count(pictures.length)} pictures.`);
}

function summary({ total, done, failed, retryable, part }) {
  const box = byId('uploads');
  const over = done + failed === total;
  box.hidden = over && !failed;
  if (box.hidden) return;
  const text = over
    ? `${count(failed)} of ${count(total)} could not be uploaded.`
    : `Uploading: ${count(done)} of ${count(total)} done${failed ? `, ${count(failed)} failed` : ''}.`;
  box.replaceChildren(
    make('span', {}, text),
    make('progress', { max: 1, value: part, 'aria-label': 'Uploads' }),
    ...(retryable ? [make('button', { type: 'button', onclick: () => uploads.retry() }, 'Try again')] : []),
    ...(over ? [make('button', { type: 'button', className: 'quiet', onclick: () => { box.hidden = true; } }, 'Dismiss')] : []),
  );
}

byId('files').addEventListener('change', ({ target }) => {
  upload(target.files);
  target.value = '';
});

let over = 0; // elements that the pointer entered with files and has not left
const carriesFiles = ({ dataTransfer }) => [...(dataTransfer?.types ?? [])].includes('Files');
addEventListener('dragenter', (event) => {
  if (!carriesFiles(event)) return;
  over += 1;
  byId('drop').hidden = false;
});
addEventListener('dragover', (event) => carriesFiles(event) && event.preventDefault());
addEventListener('dragleave', (event) => {
  if (!carriesFiles(event)) return;
  over -= 1;
  byId('drop').hidden = over <= 0;
});
addEventListener('drop', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  over = 0;
  byId('drop').hidden = true;
  upload(event.dataTransfer.files);
});
addEventListener('paste', ({ clipboardData }) => {
  upload([...(clipboardData?.files ?? [])].filter(({ type }) => type.startsWith('image/')));
});

// Deletion, which can be undone for some seconds.

function remove(id) {
  const back = collection.remove(id);
  const act = async () => {
    if (!leaving.delete(id)) return;
    try {
      await change(DELETE, { id });
    } catch (error) {
      back();
      notice(`The picture was not deleted. ${error.message}`);
    }
  };
  leaving.set(id, act);
  notice('Picture deleted.', {
    seconds: UNDO_SECONDS,
    actions: [['Undo', () => { leaving.delete(id); back(); }]],
    onend: () => act(),
  });
}
addEventListener('pagehide', () => {
  const ids = [...leaving.keys()]; // one request: a browser limits those that outlive the page
  leaving.clear();
  for (let from = 0; from < ids.length; from += MAX_IDS) {
    ask(DELETE_ALL, { ids: ids.slice(from, from + MAX_IDS) }, { keepalive: true }).catch(() => {});
  }
});

// Routes: `#/search?label=Cat&least=60`, `#/picture/<id>`.

function go({ labels, least }) {
  const query = new URLSearchParams(labels.map((label) => ['label', label]));
  if (labels.length) query.set('least', least);
  const hash = labels.length ? `#/search?${query}` : '#/';
  if (location.hash === hash) route();
  else location.hash = hash;
}

let begun = false;

function show(wanted) {
  begun = true;
  search.show(wanted);
  collection.show(wanted);
  scrollTo({ top: 0 });
  const { labels } = wanted;
  document.title = `${labels.length ? labels.join(', ') : 'Pictures'} – Image labelling`;
  failing = false;
  draw();
  more();
}

function route() {
  const [, path, query] = /^#\/([^?]*)\??(.*)$/.exec(location.hash) ?? [];
  if (path?.startsWith('picture/')) {
    picture.open(decodeURIComponent(path.slice('picture/'.length)));
    if (!begun) show({ labels: [], least: 0 });
    return;
  }
  const { id } = picture;
  picture.close();
  const parameters = new URLSearchParams(query);
  const wanted = {
    labels: parameters.getAll('label').slice(0, 10),
    least: Math.min(100, Math.max(0, Number(parameters.get('least') ?? search.least) || 0)),
  };
  const same = JSON.stringify(wanted.labels) === JSON.stringify(collection.search.labels)
    && (wanted.least === collection.search.least || !wanted.labels.length);
  if (!same || !begun) show(wanted);
  if (id) grid.focus(collection.find(id)?.key ?? id);
}

function step(id, by) {
  const { order } = collection;
  for (let place = order.indexOf(collection.find(id)?.key ?? id) + by; place >= 0 && place < order.length; place += by) {
    const next = collection.get(order[place])?.blob?.id ?? (collection.get(order[place]) ? null : order[place]);
    if (next) {
      history.replaceState(null, '', `#/picture/${encodeURIComponent(next)}`);
      route(); // at once: a second key steps from there
      return;
    }
  }
}

function restart() {
  live?.close();
  goLive();
  show(search.search);
}

addEventListener('hashchange', route);
byId('settings-button').addEventListener('click', () => openSettings(restart));
route();
collection.more().catch(() => {}).finally(goLive);
