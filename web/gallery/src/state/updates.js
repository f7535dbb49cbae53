import { EVENTS } from '../api/operations.js';
import { described } from '../text/words.js';

const POLL = 3000; // milliseconds, while the WebSocket is disconnected
const MAX_FOLLOWED = 50; // subscriptions: a connection has at most 100 operations
const KINDS = ['LABELLED', 'FAILED', 'EDITED', 'DELETED'];
const REFUSED = new Set(['UNAUTHENTICATED', 'FORBIDDEN']);
const FINAL = new Set(['LABELLED', 'FAILED', 'EXPIRED']);

/** @typedef {import('../types').Tile} Tile */

/**
 * Live updates: one subscription for all blobs that are labelled, corrected or deleted, or that failed, and
 * one for each upload of this page and each picture that it has labelled again, some at a time. Without a connection
 * it polls; after a new one it looks once for what it missed.
 */
export class Updates {
  /**
   * `openLive` connects, and calls its argument after each later connection; `visible` returns the keys of the visible pictures; while `isIdle`, it does not poll; `onProblem` receives errors of polls.
   * `onSettled` receives each blob whose labelling ended, and null for one that was deleted.
   * @param {{
   *   collection: import('./collection.js').Collection,
   *   viewer: () => import('./viewer.js').Viewer,
   *   notices: import('./notices.js').Notices,
   *   openLive: (onReturn: () => void) => Promise<import('../api/live.js').Live>,
   *   visible: () => string[],
   *   isIdle: () => boolean,
   *   onProblem: (error: any) => void,
   *   onSettled: (id: string, blob: Tile | null) => void,
   * }} parts
   */
  constructor({ collection, viewer, notices, openLive, visible, isIdle, onProblem, onSettled }) {
    this.collection = collection;
    this.viewer = viewer;
    this.notices = notices;
    this.openLive = openLive;
    this.visible = visible;
    this.isIdle = isIdle;
    this.onProblem = onProblem;
    this.onSettled = onSettled;
    /** @type {import('../api/live.js').Live | null} */
    this.live = null;
    /** The blobs that are being labelled, each with the function that ends its subscription. @type {Map<string, (() => void) | undefined>} */
    this.watched = new Map();
    /** The watched blobs whose subscriptions have not begun. @type {string[]} */
    this.queue = [];
    this.followed = 0;
  }

  /** Connects. */
  async start() {
    this.live = await this.openLive(() => { this.look().catch(this.onProblem); });
    this.live.subscribe(EVENTS, { filter: { kinds: KINDS } }, (event) => this.happened(event));
    this.#follow();
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
    if (this.watched.has(id)) return;
    this.watched.set(id, undefined);
    this.queue.push(id);
    this.#follow();
  }

  /** Subscribes to watched blobs. What happened to them before is sent at once, so that they can wait. */
  #follow() {
    while (this.live && this.followed < MAX_FOLLOWED && this.queue.length) {
      const id = /** @type {string} */ (this.queue.shift());
      if (!this.watched.has(id) || this.watched.get(id)) continue;
      this.followed += 1;
      this.watched.set(id, this.live.subscribe(EVENTS, { filter: { blobIds: [id] } }, ({ blob }) => blob && this.news(blob)));
    }
  }

  /** @param {string} id */
  #unfollow(id) {
    const end = this.watched.get(id);
    const was = this.watched.delete(id);
    if (end) {
      end();
      this.followed -= 1;
      this.#follow();
    }
    return was;
  }

  /** @param {{kind: string, blobId: string, blob: Tile | null}} event */
  happened({ kind, blobId, blob }) {
    if (kind === 'EDITED' && blob && !blob.deletesAt) this.collection.readmit(blobId);
    if (blob) this.news(blob);
    if (kind === 'DELETED') this.gone(blobId);
    else if (this.viewer().id.value === blobId) this.viewer().look();
  }

  /** @param {string} id of a picture that was deleted */
  gone(id) {
    this.#unfollow(id);
    this.collection.remove(id);
    this.collection.waiting.delete(id);
    this.viewer().forget(id);
    this.onSettled(id, null);
  }

  /** @param {Tile} blob @param {number} [asked] when it was asked for */
  news(blob, asked) {
    if (blob.deletesAt) {
      this.gone(blob.id);
      this.collection.waiting.add(blob.id);
      return;
    }
    this.collection.take(blob, asked);
    if (!FINAL.has(blob.status)) return;
    this.onSettled(blob.id, blob);
    if (this.#unfollow(blob.id)) {
      this.notices.speak(`${this.collection.find(blob.id)?.name ?? 'Picture'}: ${described(blob)}`);
    }
    if (this.viewer().id.value === blob.id) this.viewer().look();
  }

  /** Loads what may have changed, once that can be loaded. Throws ServiceError. */
  async look() {
    const part = await import('./look.js').catch(() => null);
    await part?.look(this);
  }
}
