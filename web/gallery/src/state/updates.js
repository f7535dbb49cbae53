import { EVENTS } from '../api/operations.js';
import { described } from '../text/words.js';

const POLL = 3000; // milliseconds, while the WebSocket is disconnected
const KINDS = ['LABELLED', 'FAILED', 'EDITED', 'DELETED'];
const REFUSED = new Set(['UNAUTHENTICATED', 'FORBIDDEN']);
const FINAL = new Set(['LABELLED', 'FAILED', 'EXPIRED']);

/** @typedef {import('../types').Tile} Tile */

/**
 * Live updates: one subscription for all blobs that are labelled, corrected or deleted, or that failed, and
 * one for each upload of this page and each picture that it has labelled again. Without a connection it polls.
 */
export class Updates {
  /**
   * `openLive` connects; `visible` returns the keys of the visible pictures; while `isIdle`, it does not poll; `onProblem` receives errors of polls.
   * @param {{
   *   collection: import('./collection.js').Collection,
   *   viewer: () => import('./viewer.js').Viewer,
   *   notices: import('./notices.js').Notices,
   *   openLive: () => Promise<import('../api/live.js').Live>,
   *   visible: () => string[],
   *   isIdle: () => boolean,
   *   onProblem: (error: any) => void,
   * }} parts
   */
  constructor({ collection, viewer, notices, openLive, visible, isIdle, onProblem }) {
    this.collection = collection;
    this.viewer = viewer;
    this.notices = notices;
    this.openLive = openLive;
    this.visible = visible;
    this.isIdle = isIdle;
    this.onProblem = onProblem;
    /** @type {import('../api/live.js').Live | null} */
    this.live = null;
    /** The blobs that are being labelled, each with the function that ends its subscription. @type {Map<string, (() => void) | undefined>} */
    this.watched = new Map();
  }

  /** Connects. */
  async start() {
    this.live = await this.openLive();
    this.live.subscribe(EVENTS, { filter: { kinds: KINDS } }, (event) => this.happened(event));
    for (const id of this.watched.keys()) this.#follow(id);
  }

  /** Polls, one poll after the other, until the API key turns out not to allow it. */
  async poll() {
    for (;;) {
      await new Promise((done) => { setTimeout(done, POLL); });
      if (this.live?.connected || this.isIdle()) continue;
      try {
        await this.look();
      } catch (error) {
        this.onProblem(error);
        if (REFUSED.has(error.code)) return;
      }
    }
  }

  /** Follows a blob until it is labelled. @param {{id: string}} blob */
  watch({ id }) {
    if (!this.watched.has(id)) this.#follow(id);
  }

  /** @param {string} id */
  #follow(id) {
    const end = this.live?.subscribe(EVENTS, { filter: { blobIds: [id] } }, ({ blob }) => blob && this.#news(blob));
    this.watched.set(id, end);
  }

  /** @param {string} id */
  #unfollow(id) {
    this.watched.get(id)?.();
    return this.watched.delete(id);
  }

  /** @param {{kind: string, blobId: string, blob: Tile | null}} event */
  happened({ kind, blobId, blob }) {
    if (blob) this.collection.take(blob);
    if (kind === 'DELETED') {
      this.#unfollow(blobId);
      this.collection.remove(blobId);
      this.viewer().forget(blobId);
    } else if (this.viewer().id.value === blobId) this.viewer().look();
  }

  /** @param {Tile} blob */
  #news(blob) {
    this.collection.take(blob);
    if (!FINAL.has(blob.status)) return;
    if (this.#unfollow(blob.id)) {
      this.notices.speak(`${this.collection.find(blob.id)?.name ?? 'Picture'}: ${described(blob)}`);
    }
    if (this.viewer().id.value === blob.id) this.viewer().look();
  }

  /** Loads what may have changed. Throws ServiceError. */
  async look() {
    await this.collection.refresh();
    const keys = [...this.watched.keys()].filter((id) => this.collection.find(id)).map((id) => this.collection.keyOf(id));
    // Other clients can delete and correct what is visible.
    await this.collection.know([...new Set([...keys, ...this.visible()])], { reload: true });
    for (const id of [...this.watched.keys()]) {
      const blob = this.collection.find(id)?.blob;
      if (blob) this.#news(blob);
    }
  }
}
