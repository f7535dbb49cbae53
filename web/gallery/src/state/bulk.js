import { batchesOf } from '../api/batches.js';
import { ADD_LABELS, RELABEL, REMOVE_LABELS } from '../api/operations.js';
import { pictures } from '../text/words.js';

/** Changes of many pictures at once. */
export class Bulk {
  /**
   * @param {{
   *   client: import('../api/client.js').Client,
   *   notices: import('./notices.js').Notices,
   *   watch: (blob: {id: string}) => void,
   *   reload: (ids: string[]) => Promise<void>,
   * }} parts `reload` loads changed pictures again
   */
  constructor({ client, notices, watch, reload }) {
    this.client = client;
    this.notices = notices;
    this.watch = watch;
    this.reload = reload;
  }

  /** Labels pictures again. @param {string[]} ids */
  async relabel(ids) {
    const changed = await this.#each(RELABEL, ids, {}, (number) => `Labelling ${pictures(number)} again.`);
    for (const id of changed) this.watch({ id });
  }

  /** Adds a label. @param {string[]} ids @param {string} name */
  async addLabel(ids, name) {
    await this.reload(await this.#each(ADD_LABELS, ids, { labels: [{ name }] }, (number) => `Added ${name} to ${pictures(number)}.`));
  }

  /** Removes a label. @param {string[]} ids @param {string} name */
  async removeLabel(ids, name) {
    await this.reload(await this.#each(REMOVE_LABELS, ids, { names: [name] }, (number) => `Removed ${name} from ${pictures(number)}.`));
  }

  /**
   * Executes a mutation for all pictures, says how that ended, and returns the ids of the changed ones.
   * @param {string} mutation
   * @param {string[]} ids
   * @param {object} variables
   * @param {(number: number) => string} done
   */
  async #each(mutation, ids, variables, done) {
    /** @type {string[]} */
    const changed = [];
    let problem = '';
    for (const part of batchesOf(ids)) {
      try {
        const { outcomes } = await this.client.change(mutation, { ids: part, ...variables });
        outcomes.forEach((/** @type {any} */ { message }, /** @type {number} */ index) => {
          if (message === undefined) changed.push(part[index]);
          else problem = message;
        });
      } catch (error) {
        problem = error.message;
        break; // what fails for a whole request fails for the next one
      }
    }
    if (changed.length) this.notices.show(done(changed.length));
    if (problem) this.notices.show(`${pictures(ids.length - changed.length)} not changed: ${problem}`);
    return changed;
  }
}
