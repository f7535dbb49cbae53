import { ask } from './api.js';
import { LIST, TILES } from './operations.js';

const PAGE = 60;
const MAX_LOADED = 2000; // pictures that are kept in memory
const MAX_IDS = 100; // per request
const FRESH = 10 * 60_000; // signed URLs live 15 minutes

/**
 * The pictures of one view, newest first. The key of a picture is its id, or the key of its upload.
 * Only the key is kept of a picture that is far from the visible part.
 */
export class Collection {
  /** `onChange` receives the key of a changed picture, or null when the order changed. */
  constructor(onChange) {
    this.onChange = onChange;
    this.show({ labels: [], least: 0 });
  }

  /** Starts again with the pictures that have all labels of the search; without labels, all pictures. */
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
    this.meant = new Map(); // the label that each name of the search means
  }

  get(key) {
    return this.items.get(key);
  }

  /** Returns the picture with this id, if it is loaded. */
  find(id) {
    return this.items.get(this.keys.get(id) ?? id);
  }

  /** Fetches the next page, if there is one. Throws ServiceError. */
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
      this.meant = new Map(page.matchedLabels?.map(({ name, label }) => [name, label?.name ?? name]));
      this.cursor = page.pageInfo.endCursor;
      this.complete = !page.pageInfo.hasNextPage;
      const before = this.order.length;
      for (const blob of page.nodes) this.#put(blob, this.order.length);
      if (this.order.length > before || this.complete) break; // a page may be empty
    }
    this.onChange(null);
  }

  /** Loads new pictures at the front. Throws ServiceError. */
  async refresh() {
    const { view } = this;
    const page = await this.#page(null);
    if (view !== this.view) return;
    for (const blob of [...page.nodes].reverse()) this.take(blob);
  }

  async #page(after) {
    const { labels, least } = this.search;
    const filter = labels.length
      ? { labels: { all: labels, minConfidence: least } }
      : { status: ['LABELLING', 'LABELLED', 'FAILED'] };
    const answer = await ask(LIST, { filter, first: PAGE, after });
    return answer.page;
  }

  /** Updates a picture. A new picture that matches the search is added at the front. */
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
    return labels.every((label) => carried.has((this.meant.get(label) ?? label).toLowerCase()));
  }

  #put(blob, place) {
    if (this.keys.has(blob.id) || this.items.has(blob.id) || this.gone.has(blob.id)) return;
    this.items.set(blob.id, { key: blob.id, blob, at: Date.now() });
    this.order.splice(place, 0, blob.id);
  }

  /** Adds an upload at the front, before it has an id. */
  add(upload) {
    this.items.set(upload.key, { key: upload.key, upload, at: Date.now() });
    this.order.unshift(upload.key);
    this.onChange(null);
  }

  /** Connects an upload with its blob. */
  name(key, blob) {
    const item = this.items.get(key);
    if (!item) return;
    this.keys.set(blob.id, key);
    item.blob = blob;
    const twin = this.order.indexOf(blob.id); // the subscription can be faster than the response
    if (twin >= 0) this.order.splice(twin, 1);
    this.items.delete(blob.id);
    this.onChange(twin >= 0 ? null : key);
  }

  /** Removes a picture. Returns a function that puts it back. */
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

  /** Loads those of the pictures that are not loaded or are old; with `reload`, all of them. Throws ServiceError. */
  async know(keys, { reload = false } = {}) {
    const { view } = this;
    const old = Date.now() - FRESH;
    const ids = keys
      .filter((key) => {
        const item = this.items.get(key);
        return item ? Boolean(item.blob) && (reload || item.at < old) : true;
      })
      .map((key) => this.items.get(key)?.blob?.id ?? key)
      .slice(0, MAX_IDS);
    if (!ids.length) return;
    const { nodes } = await ask(TILES, { ids });
    if (view !== this.view) return;
    nodes.forEach((blob, index) => {
      const id = ids[index];
      const key = this.keys.get(id) ?? id;
      if (!blob) {
        this.remove(id); // deleted by another client
        return;
      }
      const item = this.items.get(key) ?? { key };
      this.items.set(key, Object.assign(item, { blob, at: Date.now() }));
      this.onChange(key);
    });
  }

  /** Unloads pictures that are far from the visible part. */
  forget(place) {
    if (this.items.size <= MAX_LOADED) return;
    const near = new Set(this.order.slice(Math.max(0, place - MAX_LOADED / 4), place + MAX_LOADED / 2));
    for (const [key, item] of this.items) {
      if (!near.has(key) && !item.upload) this.items.delete(key);
    }
  }
}
