import { signal } from '@preact/signals';

import { MAX_IDS } from '../api/batches.js';
import { LIST, TILES } from '../api/operations.js';
import { dayOf } from '../text/days.js';
import { EVERYTHING, filterOf } from '../text/search.js';
import { belongs } from './membership.js';
import { besideOf, farFrom, knownBefore, placeOf } from './places.js';
import { takeOut } from './removal.js';

const PAGE = 60; // at first; later ones have as many as a request takes
const FRESH = 10 * 60_000; // signed URLs live 15 minutes

/** @typedef {import('../types').Tile} Tile */
/** @typedef {import('../types').Item} Item */
/** @typedef {import('../types').Search} Search */

/**
 * The pictures of one view, in its order. The key of a picture is its id, or the key of its upload.
 * Only the key is kept of a picture that is far from the visible part.
 */
export class Collection {
  /** @param {import('../api/client.js').Client} client */
  constructor(client) {
    this.client = client;
    /** Receives the key of a changed picture, or null when the order changed. @type {(key: string | null) => void} */
    this.onChange = () => {};
    /** Receives the keys of removed pictures. @type {(keys: Iterable<string>) => void} */
    this.onRemove = () => {};
    /** Tells whether new pictures would shift what the user looks at. */
    this.isReading = () => false;
    this.search = signal(/** @type {Search} */ (EVERYTHING));
    this.complete = signal(false);
    this.length = signal(0);
    this.total = signal(/** @type {number | null} */ (null));
    /** What the names of the search mean: a label, or null where no picture has one. @type {import('@preact/signals').Signal<Map<string, string | null>>} */
    this.meant = signal(new Map());
    /** The new pictures and uploads that wait until the user asks for them. */
    this.arrivals = signal(/** @type {Item[]} */ ([]));
    this.shuffles = 0; // changes of the order other than by pictures at its end
    this.show(EVERYTHING);
  }

  /** Starts again with the pictures of a search. @param {Search} search */
  show(search) {
    this.search.value = search;
    /** @type {string[]} */
    this.order = [];
    /** @type {Map<string, Item>} */
    this.items = new Map();
    /** The days on which the pictures were uploaded, also of those that are not loaded. @type {Map<string, number>} */
    this.days = new Map();
    /** @type {Map<string, string>} */
    this.keys = new Map();
    /** @type {Set<string>} */
    this.gone = new Set();
    /** Those of them that wait to be deleted, and may return. @type {Set<string>} */
    this.waiting = new Set();
    /** @type {string | null} */
    this.cursor = null;
    this.complete.value = false;
    /** @type {Promise<void> | null} */
    this.loading = null;
    this.view = Symbol('view');
    this.meant.value = new Map();
    this.total.value = null;
    this.arrivals.value = [];
    this.shuffles += 1;
    this.touch(null);
  }

  /** Redraws a picture, or with null all of them. @param {string | null} key */
  touch(key) {
    this.length.value = this.order.length;
    this.onChange(key);
  }

  /** Corrects the number of all pictures. @param {number} added */
  #count(added) {
    if (this.total.value !== null) this.total.value += added;
  }

  /** @param {string} key */
  get(key) {
    return this.items.get(key);
  }

  /** Returns the key of the picture with this id. @param {string} id */
  keyOf(id) {
    return this.keys.get(id) ?? id;
  }

  /** Returns the picture with this id, if it is loaded. @param {string} id */
  find(id) {
    return this.items.get(this.keyOf(id));
  }

  /** Returns the id of the picture `by` places after this one; undefined beyond the ends, and where this one is not listed. @param {string} id @param {number} by */
  beside(id, by) {
    return besideOf(id, by, this);
  }

  /** Returns the id of the picture with this key; undefined for an upload that has none yet. @param {string} key */
  idOf(key) {
    const item = this.items.get(key);
    return item ? item.blob?.id : key;
  }

  /** Fetches the next page, if there is one. Throws ServiceError. */
  more() {
    const { view } = this;
    this.loading ??= this.#next().finally(() => {
      if (view === this.view) this.loading = null;
    });
    return this.loading;
  }

  async #next() {
    const { view } = this;
    while (!this.complete.value) {
      const page = await this.#page(this.cursor);
      if (view !== this.view) return;
      if (page.matchedLabels) {
        this.meant.value = new Map(page.matchedLabels.map((/** @type {any} */ { name, label }) => [name, label?.name ?? null]));
      }
      this.total.value ??= page.totalCount;
      this.cursor = page.pageInfo.endCursor;
      const before = this.order.length;
      for (const blob of page.nodes) this.#put(blob, this.order.length);
      this.complete.value = !page.pageInfo.hasNextPage;
      if (this.order.length > before) break; // a page may be empty
    }
    this.touch(null);
  }

  /** Loads new pictures. Throws ServiceError. */
  async refresh() {
    const [view, asked] = [this.view, Date.now()];
    const page = await this.#page(null);
    if (view !== this.view) return;
    for (const blob of [...page.nodes].reverse()) this.take(blob, asked);
  }

  /** @param {string | null} after */
  async #page(after) {
    const search = this.search.value;
    const variables = { filter: filterOf(search), orderBy: search.order, first: after ? MAX_IDS : PAGE, after };
    return (await this.client.ask(LIST, variables)).page;
  }

  /** Updates a picture, unless it changed after it was asked for. A new one of this search is added, or waits for `admit`. @param {Tile} blob @param {number} [asked] */
  take(blob, asked = Date.now()) {
    const key = this.keyOf(blob.id);
    const item = this.items.get(key);
    if (item) {
      if (item.at > asked) return;
      item.blob = blob;
      item.at = Date.now();
      this.touch(key);
      return;
    }
    if (this.gone.has(blob.id) || this.order.includes(blob.id) || !belongs(blob, this.search.value, this.meant.value)) return;
    const others = this.arrivals.value.filter((each) => each.key !== key);
    const place = placeOf(blob.id, this);
    if (place < 0) return; // an old picture that changed: it comes with a later page
    const waits = this.search.value.order !== 'NEWEST' || this.isReading();
    this.arrivals.value = waits ? [{ key, blob, at: 0 }, ...others] : others;
    if (waits) return;
    this.#count(1);
    this.#put(blob, place);
    this.touch(null);
  }

  /** Lets a picture be taken again that waited to be deleted, because it was restored. @param {string} id */
  readmit(id) {
    if (!this.waiting.delete(id)) return;
    this.gone.delete(id);
    this.keys.delete(id); // the upload that it was is not in the order any more
  }

  /** Shows the new pictures that wait. In another order than by date, a new start finds their places. */
  admit() {
    const waiting = this.arrivals.value;
    if (!waiting.length) return;
    if (this.search.value.order !== 'NEWEST') {
      this.show(this.search.value);
      return;
    }
    this.arrivals.value = [];
    for (const { key, blob } of [...waiting].reverse()) {
      if (blob?.id === key) this.#put(blob, Math.max(0, placeOf(key, this)));
      else this.order.unshift(key);
    }
    this.shuffles += 1;
    this.#count(waiting.length);
    this.touch(null);
  }

  /** @param {Tile} blob @param {number} place */
  #put(blob, place) {
    if (this.keys.has(blob.id) || this.items.has(blob.id) || this.gone.has(blob.id)) return;
    this.items.set(blob.id, { key: blob.id, blob, at: Date.now() });
    this.days.set(blob.id, dayOf(new Date(blob.createdAt)));
    if (place < this.order.length) this.shuffles += 1;
    this.order.splice(place, 0, blob.id);
  }

  /** Adds uploads at the front, before they have ids, or lets them wait for `admit`. @param {import('../types').Upload[]} uploads */
  add(uploads) {
    const added = uploads.map((upload) => ({ key: upload.key, upload, name: upload.name, at: Date.now() }));
    for (const item of added) {
      this.items.set(item.key, item);
      this.days.set(item.key, dayOf(new Date()));
    }
    if (this.isReading()) this.arrivals.value = [...added, ...this.arrivals.value];
    else this.#reorder([...added.map(({ key }) => key), ...this.order]);
  }

  /** Connects an upload with its blob. @param {string} key @param {any} blob */
  name(key, blob) {
    const item = this.items.get(key);
    if (!item) return;
    if (item.blob) this.keys.delete(item.blob.id); // that expired
    this.keys.set(blob.id, key);
    item.blob = blob;
    this.arrivals.value = this.arrivals.value.filter((each) => each.key !== blob.id);
    const twin = this.order.indexOf(blob.id); // the subscription can be faster than the response
    if (twin >= 0) {
      this.order.splice(twin, 1);
      this.shuffles += 1;
    }
    this.items.delete(blob.id);
    this.touch(twin >= 0 ? null : key);
  }

  /** Removes a picture that was deleted. @param {string} id */
  remove(id) {
    if (!this.gone.has(id)) this.removeAll([id]);
  }

  /** Removes pictures. Returns a function that puts some of them back. @param {string[]} ids */
  removeAll(ids) {
    const { view } = this;
    const keys = new Map(ids.map((id) => [id, this.keyOf(id)]));
    const items = new Map([...keys.values()].map((key) => [key, this.items.get(key)]));
    const { rest, putBack } = takeOut(this.order, new Set(keys.values()));
    for (const id of ids) {
      this.gone.add(id);
      this.waiting.delete(id);
    }
    for (const key of items.keys()) this.items.delete(key);
    this.arrivals.value = this.arrivals.value.filter(({ key }) => !items.has(key));
    this.#reorder(rest);
    this.onRemove(items.keys());
    return (/** @type {string[]} */ back) => {
      const returning = back.filter((id) => this.gone.delete(id)).map((id) => keys.get(id) ?? id);
      if (view !== this.view) return;
      for (const key of returning) {
        const item = items.get(key);
        if (item) this.items.set(key, item);
      }
      this.#reorder(putBack(this.order, returning));
    };
  }

  /** Shows other pictures, or the same in another order. @param {string[]} order */
  #reorder(order) {
    this.#count(order.length - this.order.length);
    this.order = order;
    this.shuffles += 1;
    this.touch(null);
  }

  /** Loads those of the pictures that are not loaded or are old; with `reload`, all of them. Throws ServiceError. @param {string[]} keys @param {{reload?: boolean}} [options] */
  async know(keys, { reload = false } = {}) {
    const [view, asked] = [this.view, Date.now()];
    const ids = knownBefore(reload ? Infinity : asked - FRESH, keys, this).slice(0, MAX_IDS);
    if (!ids.length) return;
    const { nodes } = await this.client.ask(TILES, { ids });
    if (view !== this.view) return;
    nodes.forEach((/** @type {Tile | null} */ blob, /** @type {number} */ index) => {
      const id = ids[index];
      const key = this.keyOf(id);
      if (!blob || blob.deletesAt) {
        this.remove(id); // deleted by another client
        if (blob) this.waiting.add(id);
      }
      if (!blob || this.gone.has(id)) return;
      const item = this.items.get(key) ?? { key, at: 0 };
      if (item.at > asked) return;
      this.items.set(key, Object.assign(item, { blob, at: Date.now() }));
      this.touch(key);
    });
  }

  /** Unloads pictures that are far from the visible part. @param {number} place */
  forget(place) {
    for (const key of farFrom(place, this)) this.items.delete(key);
  }
}
