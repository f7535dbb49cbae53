import { batchesOf } from '../api/batches.js';
import { DELETE, RESTORE } from '../api/operations.js';
import { count } from '../text/words.js';

const UNDO_SECONDS = 20; // the service deletes after 30: a click at the last moment still comes in time

/** @param {number} number */
const pictures = (number) => (number === 1 ? 'The picture was' : `${count(number)} pictures were`);

/** Deletions. The service waits with them, so that the user can undo them and leave the page. */
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
    /** Settles when the service has all deletions. @type {Promise<any>} */
    this.sent = Promise.resolve();
  }

  /** Deletes pictures, and shows how to undo that. @param {string[]} ids */
  remove(ids) {
    if (!ids.length) return;
    const back = this.collection.removeAll(ids);
    const sending = this.#change(DELETE, ids, 'deleted', back);
    sending.then((sent) => { for (const id of sent) this.collection.waiting.add(id); }); // another client can restore them
    this.sent = Promise.all([this.sent, sending]);
    this.notices.show(ids.length === 1 ? 'Picture deleted.' : `${count(ids.length)} pictures deleted.`, {
      seconds: UNDO_SECONDS,
      actions: [['Undo', () => this.#undo(ids, sending, back)]],
    });
  }

  /** @param {string[]} ids @param {Promise<any>} sending @param {(ids: string[]) => void} back */
  async #undo(ids, sending, back) {
    await sending;
    back(await this.#change(RESTORE, ids, 'restored'));
  }

  /**
   * Executes a mutation for all pictures, says what failed, and returns the ids of the changed ones.
   * @param {string} mutation
   * @param {string[]} ids
   * @param {string} done
   * @param {(ids: string[]) => void} [failed] receives the ids of the others
   */
  async #change(mutation, ids, done, failed = () => {}) {
    /** @type {Map<string, string>} */
    const problems = new Map();
    await Promise.all(batchesOf(ids).map(async (batch) => {
      try {
        const { outcomes } = await this.client.change(mutation, { ids: batch }, { keepalive: true });
        outcomes.forEach((/** @type {any} */ { __typename, message }, /** @type {number} */ index) => {
          const gone = mutation === DELETE && __typename === 'BlobNotFound';
          if (message !== undefined && !gone) problems.set(batch[index], message);
        });
      } catch (error) {
        for (const id of batch) problems.set(id, error.message);
      }
    }));
    if (problems.size) {
      failed([...problems.keys()]);
      this.notices.show(`${pictures(problems.size)} not ${done}. ${[...problems.values()].at(-1)}`);
    }
    return ids.filter((id) => !problems.has(id));
  }
}
