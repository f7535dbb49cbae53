import { signal } from '@preact/signals';

const MOST = 1000; // pictures of one selection

/** The selected pictures, by their keys. */
export class Selection {
  /**
   * `onLimit` is called with the largest number, when more are selected; `onProblem` with a ServiceError.
   * @param {import('./collection.js').Collection} collection
   * @param {(most: number) => void} onLimit
   * @param {(error: any) => void} onProblem
   */
  constructor(collection, onLimit, onProblem) {
    this.collection = collection;
    this.onLimit = onLimit;
    this.onProblem = onProblem;
    this.keys = signal(/** @type {ReadonlySet<string>} */ (new Set()));
    /** Where a range begins. @type {string | null} */
    this.anchor = null;
  }

  /** The ids of the selected pictures, in the order of the collection. */
  get ids() {
    const keys = this.keys.value;
    return this.collection.order.filter((key) => keys.has(key)).flatMap((key) => this.collection.idOf(key) ?? []);
  }

  /** @param {Iterable<string>} keys */
  #set(keys) {
    const all = [...keys];
    if (all.length > MOST) this.onLimit(MOST);
    this.keys.value = new Set(all.slice(0, MOST));
  }

  /** Selects a picture, or no longer. @param {string} key */
  toggle(key) {
    const keys = new Set(this.keys.value);
    if (!keys.delete(key)) keys.add(key);
    this.anchor = key;
    this.#set(keys);
  }

  /** Selects all pictures between the last one that was toggled and this one. @param {string} key */
  extend(key) {
    const { order } = this.collection;
    const from = order.indexOf(this.anchor ?? key);
    const to = order.indexOf(key);
    if (from < 0 || to < 0) {
      this.toggle(key);
      return;
    }
    this.#set(new Set([...this.keys.value, ...order.slice(Math.min(from, to), Math.max(from, to) + 1)]));
  }

  /** Selects all pictures of the collection, at most MOST, and loads those that are not. */
  async all() {
    const { collection } = this;
    for (;;) {
      const chosen = new Set(collection.order.slice(0, MOST));
      this.keys.value = chosen;
      if (collection.complete.value || collection.order.length >= MOST) break;
      try {
        await collection.more();
      } catch (error) {
        this.onProblem(error);
        return;
      }
      if (this.keys.value !== chosen) return; // the user selects something else
    }
    if (collection.order.length > MOST || !collection.complete.value) this.onLimit(MOST);
  }

  clear() {
    this.anchor = null;
    if (this.keys.value.size) this.keys.value = new Set();
  }

  /** Forgets pictures that are gone. @param {Iterable<string>} gone */
  drop(gone) {
    const keys = new Set(this.keys.value);
    let changed = false;
    for (const key of gone) changed = keys.delete(key) || changed;
    if (changed) this.keys.value = keys;
  }
}
