import { effect, signal, untracked } from '@preact/signals';

import { batchesOf } from './api/batches.js';
import { Client } from './api/client.js';
import { REACH } from './api/operations.js';
import { Session } from './api/session.js';
import { pictureHash, Router } from './router.js';
import { Collection } from './state/collection.js';
import { Deletions } from './state/deletions.js';
import { Notices } from './state/notices.js';
import { Selection } from './state/selection.js';
import { Updates } from './state/updates.js';
import { Viewer } from './state/viewer.js';
import { count } from './text/words.js';
import { EVERYTHING, isChanged, isSame, writeSearch } from './text/search.js';
import { keyOf } from './ui/keys.js';

const KNOCK = 2000; // milliseconds, while the service is unreachable
const AHEAD = 3; // pictures that are loaded beyond the one that is shown
const BROKEN = 60_000; // milliseconds between two reloads of a picture that does not load

/** The state of the page, and what its parts do together. */
export class App {
  constructor() {
    this.session = new Session(sessionStorage, document, localStorage);
    this.client = new Client(this.session);
    this.notices = new Notices();
    this.collection = new Collection(this.client);
    this.router = new Router(() => this.collection.search.value.least);
    this.deletions = new Deletions(this);
    this.selection = new Selection(
      this.collection,
      (most) => this.notices.show(`At most ${count(most)} pictures can be selected.`),
      (error) => this.report(error),
    );
    this.collection.onRemove = (keys) => this.selection.drop(keys);
    /** The visible grid, once there is one. @type {import('./ui/VirtualGrid.js').VirtualGrid | null} */
    this.grid = null;
    this.updates = new Updates({
      collection: this.collection,
      notices: this.notices,
      viewer: () => this.viewer,
      openLive: async (onReturn) => new (await import('./api/live.js')).Live(this.session, onReturn),
      visible: () => this.grid?.visible() ?? [],
      isIdle: () => document.hidden || !navigator.onLine || this.failing,
      onProblem: (error) => this.report(error),
      onSettled: (id, blob) => this.uploads.value?.failures.settle(id, blob),
    });
    this.viewer = new Viewer({
      client: this.client,
      collection: this.collection,
      notices: this.notices,
      onStep: (id) => {
        this.router.replace(pictureHash(id));
        if (!this.collection.beside(id, AHEAD)) this.more();
      },
    });
    /** The uploads; null until their code is loaded. */
    this.uploads = signal(/** @type {import('./state/uploads.js').Uploads | null} */ (null));
    /** What the settings show: `sign in` where the page needs a key, `no pictures` where its key opens none; null while they are closed. */
    this.settings = signal(/** @type {'settings' | 'sign in' | 'no pictures' | null} */ (null));
    /** Whether the list of keys is shown. */
    this.help = signal(false);
    /** The page on which a picture opens. */
    this.beneath = signal(/** @type {'library' | 'explore'} */ ('library'));
    this.scrolled = 0; // of the library, while another page is shown
    this.begun = false;
    this.failing = false;
    /** @type {Map<string, number>} */
    this.reloaded = new Map();
  }

  /** Starts: shows the first pictures, then connects. */
  async start() {
    this.session.watch(() => this.#restart());
    await this.session.takeOver();
    effect(() => this.#follow(this.router.route.value));
    this.#knock();
    addEventListener('keydown', (event) => this.#press(event));
    addEventListener('offline', () => { this.session.reachable.value = false; });
    await this.collection.loading?.catch(() => {});
    this.updates.poll();
    await this.updates.start();
  }

  /** Searches at `/`, and shows the list of keys at `?`. @param {KeyboardEvent} event */
  #press(event) {
    const key = keyOf(event);
    if (key === '?') this.help.value = true;
    if (key !== '/' || document.querySelector('dialog[open]')) return;
    event.preventDefault(); // it would be typed
    document.getElementById('label')?.focus();
  }

  /** Shows what the address says. @param {import('./router.js').Route} route */
  #follow(route) {
    const seen = this.viewer.id.peek();
    if (route.page !== 'picture') untracked(() => this.#goBeneath(route.page));
    if (route.page === 'picture') {
      untracked(() => this.viewer.open(route.id));
      if (!this.begun) untracked(() => this.show(EVERYTHING));
      return;
    }
    untracked(() => {
      this.viewer.close();
      if (route.page === 'explore') this.#title('Explore');
      if (route.page === 'library' && !(this.begun && isSame(route.search, this.collection.search.value))) this.show(route.search);
      else if (!this.begun) this.show(EVERYTHING);
    });
    if (seen) requestAnimationFrame(() => this.grid?.focus(this.collection.keyOf(seen)));
  }

  /** Changes the page on which a picture opens; the library returns as it was scrolled. @param {'library' | 'explore'} page */
  #goBeneath(page) {
    if (page === this.beneath.value) return;
    if (page === 'explore') this.scrolled = scrollY;
    const top = page === 'explore' ? 0 : this.scrolled;
    this.beneath.value = page;
    requestAnimationFrame(() => scrollTo({ top }));
  }

  /** Shows the pictures of a search. @param {import('./types').Search} search */
  show(search) {
    this.begun = true;
    this.failing = false;
    this.selection.clear();
    this.collection.show(search);
    this.scrolled = 0;
    scrollTo({ top: 0 });
    this.#title(search.labels.join(', ') || 'Pictures');
    this.more();
  }

  /** @param {string} text */
  #title(text) {
    document.title = `${text} – Image labelling`;
  }

  /** Searches. @param {Partial<import('./types').Search>} changed */
  search(changed) {
    this.router.go(writeSearch({ ...this.collection.search.value, ...changed }));
  }

  /** Leaves the view of one picture. */
  closePicture() {
    if (this.router.route.value.page !== 'picture') return;
    if (this.beneath.value === 'explore') this.router.go('#/explore');
    else this.search({});
  }

  /** Loads the next page of pictures. */
  async more() {
    if (this.collection.complete.value || this.collection.loading || this.failing) return;
    const { view } = this.collection;
    try {
      await this.collection.more();
    } catch (error) {
      if (view !== this.collection.view) return;
      this.failing = true; // stops requests at every frame
      if (error.code === 'FORBIDDEN') this.settings.value = 'no pictures';
      else this.report(error);
      if (error.passing) setTimeout(() => this.#again(), KNOCK);
    }
  }

  #again() {
    this.failing = false;
    this.more();
  }

  /** Loads changed pictures again. @param {string[]} ids */
  async reload(ids) {
    const keys = ids.map((id) => this.collection.keyOf(id));
    for (const batch of batchesOf(keys)) await this.collection.know(batch, { reload: true }).catch((error) => this.report(error));
  }

  /** Loads pictures that became visible. @param {string[]} keys */
  async need(keys) {
    await this.collection.know(keys).catch((error) => this.report(error));
  }

  /** Loads a picture again whose signed URL expired: at most once a minute. @param {string} key */
  async broken(key) {
    if (Date.now() - (this.reloaded.get(key) ?? 0) < BROKEN) return;
    this.reloaded.set(key, Date.now());
    await this.collection.know([key], { reload: true }).catch((error) => this.report(error));
  }

  /** Shows an error. The outage banner shows that the service is unreachable. @param {any} error */
  report(error) {
    if (error.code === 'UNAUTHENTICATED') this.settings.value = 'sign in';
    else if (!error.passing) this.notices.show(error.message);
  }

  /** Loads the code for uploads. */
  async loadUploads() {
    const { Uploads } = await import('./state/uploads.js');
    this.uploads.value ??= new Uploads({
      client: this.client,
      collection: this.collection,
      onSent: (blob) => this.updates.watch(blob),
    });
    return this.uploads.value;
  }

  /** Uploads files. @param {Iterable<File>} files */
  async upload(files) {
    const pictures = [...files];
    if (!pictures.length) return;
    const search = this.collection.search.value;
    if (search.labels.length || isChanged(search)) {
      this.show({ ...EVERYTHING, least: search.least });
      this.router.go('#/');
    }
    if (this.beneath.value !== 'library') {
      this.scrolled = 0;
      this.router.go('#/');
    }
    const uploads = await this.loadUploads().catch(() => null);
    if (!uploads) {
      this.notices.show('The service can’t be reached. Try again when it is.');
      return;
    }
    uploads.add(pictures);
    this.notices.speak(pictures.length === 1 ? 'Uploading 1 picture.' : `Uploading ${count(pictures.length)} pictures.`);
  }

  /** Deletes the picture that is shown alone. */
  deletePicture() {
    const id = this.viewer.id.value;
    if (!id) return;
    this.closePicture();
    this.deletions.remove([id]);
  }

  /**
   * Signs in with an API key, or out with an empty one. Returns why that failed.
   * @param {string} key
   */
  async changeKey(key) {
    await this.deletions.sent; // under the present session
    const problem = await this.session.change(key);
    if (problem) return problem;
    this.#restart(key ? null : 'signed out');
  }

  /** Starts the page again, so that nothing is left of the previous owner. @param {string | null} [state] of the address */
  #restart(state = null) {
    history.replaceState(state, '', '#/');
    location.reload();
  }

  /** Asks an unreachable service until it responds, then loads what is new. */
  #knock() {
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let knocking;
    let was = true;
    effect(() => {
      const reachable = this.session.reachable.value;
      if (reachable === was) return;
      was = reachable;
      clearInterval(knocking);
      if (!reachable) knocking = setInterval(() => this.client.ask(REACH).catch(() => {}), KNOCK);
      else {
        this.failing = false;
        untracked(() => {
          if (this.collection.order.length) this.collection.refresh().catch((error) => this.report(error));
          this.more();
          this.viewer.look();
        });
      }
    });
  }
}
