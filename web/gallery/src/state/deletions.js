import { batchesOf } from '../api/batches.js';
import { DELETE } from '../api/operations.js';
import { count } from '../text/words.js';

const UNDO_SECONDS = 7;

/** Deletions, which the user can undo for some seconds before they are sent. */
export class Deletions {
  /**
   * @param {{
   *   client: import('../api/client.js').Client,
   *   collection: import('./collection.js').Collection,
   *   notices: import('./notices.js').Notices,
   * }} parts
   */
  constructor({ client, collection, notices }) {
    this.client = client;
    this.collection = collection;
    this.notices = notices;
    /** The pictures that will be deleted, each with the function that puts it back. @type {Map<string, () => void>} */
    this.pending = new Map();
  }

  /** Removes pictures from view, and deletes them unless the user undoes that. @param {string[]} ids */
  remove(ids) {
    const fresh = ids.filter((id) => !this.pending.has(id));
    if (!fresh.length) return;
    const back = this.collection.removeAll(fresh);
    for (const id of fresh) this.pending.set(id, () => back([id]));
    this.notices.show(fresh.length === 1 ? 'Picture deleted.' : `${count(fresh.length)} pictures deleted.`, {
      seconds: UNDO_SECONDS,
      actions: [['Undo', () => this.#undo(fresh, back)]],
      onEnd: () => this.#commit(fresh),
    });
  }

  /** @param {string[]} ids @param {(ids: string[]) => void} back */
  #undo(ids, back) {
    back(ids.filter((id) => this.pending.delete(id)));
  }

  /** @param {string[]} given */
  async #commit(given) {
    const ids = given.filter((id) => this.pending.has(id));
    for (const batch of batchesOf(ids)) await this.#delete(batch);
  }

  /** @param {string[]} ids */
  async #delete(ids) {
    const backs = ids.map((id) => this.pending.get(id));
    for (const id of ids) this.pending.delete(id);
    let problem = '';
    let kept = backs;
    try {
      const { outcomes } = await this.client.change(DELETE, { ids });
      kept = backs.filter((_, index) => !isGone(outcomes[index]));
      problem = outcomes.find((/** @type {any} */ each) => !isGone(each))?.message ?? '';
    } catch (error) {
      problem = error.message;
    }
    if (!problem) return;
    for (const back of kept) back?.();
    this.notices.show(`${kept.length === 1 ? 'The picture was' : `${count(kept.length)} pictures were`} not deleted. ${problem}`);
  }

  /** Sends what is pending at once, because the page ends. Requests may outlive it. */
  flush() {
    const ids = [...this.pending.keys()];
    this.pending.clear();
    return Promise.all(batchesOf(ids).map((batch) => this.client.ask(DELETE, { ids: batch }, { keepalive: true }).catch(() => {})));
  }
}

/** @param {{__typename: string}} outcome */
const isGone = ({ __typename }) => __typename === 'DeletedBlob' || __typename === 'BlobNotFound';
