import { ask } from './api.js';
import { FOUND, RECENT, TILES } from './operations.js';

const PAGE = 60;
const MOST_KEPT = 2000; // pictures of which more is known than the id
const MOST_ASKED = 100; // ids of one request
const FRESH = 10 * 60_000; // signed URLs live 15 minutes

/**
 * The pictures of one view in their order, newest first. Each has a key: its id, or that of the
 * upload it came by. Of those far from what was looked at last, only the key is kept.
 */
export class Collection {
  /** `onChange` is told the key of what changed, or null when the order did. */
  constructor(onChange) {
    this.onChange = onChange;
    this.show({ labels: [], least: 0 });
  }

  /** Begins anew, with the pictures that carry all of these labels (none: all pictures). */
  show(search) {
    this.search = search;
    this.order = [];
    this.items = new Map();
    this.keys = new Map();
    this.gone = new Set();
    this.cursor = null;
    this.complete = false;
    this.loading = null;
    this.view = Symbol('view');
  }

  get(key) {
    return this.items.get(key);
  }

  /** Returns the picture of an id, if it is among those known. */
  find(id) {
    return this.items.get(this.keys.get(id) ?? id);
  }

  /** Fetches the next page, if there is one. Throws Trouble. */
  more() {
    this.loading ??= this.#next().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  async #next() {
    const { view } = this;
    while (!this.complete) {
      const page = await this.#page(this.cursor);
      if (view !== this.view) return;
      this.cursor = page.pageInfo.endCursor;
      this.complete = !page.pageInfo.hasNextPage;
      const before = this.order.length;
      for (const blob of page.nodes) this.#put(blob, this.order.length);
      if (this.order.length > before || this.complete) break; // a page may be empty
    }
    this.onChange(null);
  }

  /** Looks what came newly to the front. Throws Trouble. */
  async refresh() {
    const { view } = this;
    const page = await this.#page(null);
    if (view !== this.view) return;
    for (const blob of [...page.nodes].reverse()) this.take(blob);
  }

  async #page(after) {
    const { labels, least } = this.search;
    const variables = { first: PAGE, after };
    const answer = labels.length
      ? await ask(FOUND, { ...variables, all: labels, minConfidence: least })
      : await ask(RECENT, variables);
    return answer.page;
  }

  /** Takes in news of a picture: in its place, or at the front if it belongs here and is new. */
  take(blob) {
    const key = this.keys.get(blob.id) ?? blob.id;
    const item = this.items.get(key);
    if (item) {
      item.blob = blob;
      item.at = Date.now();
      this.onChange(key);
    } else if (this.#belongs(blob)) {
      this.#put(blob, 0);
      this.onChange(null);
    }
  }

  #belongs(blob) {
    if (this.gone.has(blob.id) || this.order.includes(blob.id)) return false;
    const { labels, least } = this.search;
    if (!labels.length) return true;
    const carried = new Set(
      (blob.labels ?? []).filter((each) => each.confidence >= least).map((each) => each.name.toLowerCase()),
    );
    return labels.every((label) => carried.has(label.toLowerCase()));
  }

  #put(blob, place) {
    if (this.keys.has(blob.id) || this.items.has(blob.id) || this.gone.has(blob.id)) return;
    this.items.set(blob.id, { key: blob.id, blob, at: Date.now() });
    this.order.splice(place, 0, blob.id);
  }

  /** Puts an upload to the front, before it has an id. */
  add(upload) {
    this.items.set(upload.key, { key: upload.key, upload, at: Date.now() });
    this.order.unshift(upload.key);
    this.onChange(null);
  }

  /** Says which picture an upload has become. */
  name(key, blob) {
    const item = this.items.get(key);
    if (!item) return;
    this.keys.set(blob.id, key);
    item.blob = blob;
    const twin = this.order.indexOf(blob.id); // it was told of before it was named
    if (twin >= 0) this.order.splice(twin, 1);
    this.items.delete(blob.id);
    this.onChange(twin >= 0 ? null : key);
  }

  /** Takes a picture out; returns a function that puts it back. */
  remove(id) {
    const key = this.keys.get(id) ?? id;
    const place = this.order.indexOf(key);
    const item = this.items.get(key);
    const { view } = this;
    this.gone.add(id);
    if (place >= 0) this.order.splice(place, 1);
    this.items.delete(key);
    this.onChange(null);
    return () => {
      this.gone.delete(id);
      if (view !== this.view || place < 0) return;
      this.order.splice(Math.min(place, this.order.length), 0, key);
      if (item) this.items.set(key, item);
      this.onChange(null);
    };
  }

  /** Learns of these pictures what was forgotten or has aged. Throws Trouble. */
  async know(keys, { anew = false } = {}) {
    const { view } = this;
    const old = Date.now() - FRESH;
    const ids = keys
      .filter((key) => {
        const item = this.items.get(key);
        return item ? Boolean(item.blob) && (anew || item.at < old) : true;
      })
      .map((key) => this.items.get(key)?.blob?.id ?? key)
      .slice(0, MOST_ASKED);
    if (!ids.length) return;
    const { nodes } = await ask(TILES, { ids });
    if (view !== this.view) return;
    nodes.forEach((blob, index) => {
      const id = ids[index];
      const key = this.keys.get(id) ?? id;
      if (!blob) {
        this.remove(id); // deleted elsewhere
        return;
      }
      const item = this.items.get(key) ?? { key };
      this.items.set(key, Object.assign(item, { blob, at: Date.now() }));
      this.onChange(key);
    });
  }

  /** Forgets what lies far from the place looked at. */
  forget(place) {
    if (this.items.size <= MOST_KEPT) return;
    const near = new Set(this.order.slice(Math.max(0, place - MOST_KEPT / 4), place + MOST_KEPT / 2));
    for (const [key, item] of this.items) {
      if (!near.has(key) && !item.upload) this.items.delete(key);
    }
  }
}
