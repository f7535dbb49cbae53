import { batchesOf } from '../api/batches.js';
import { ADD_LABELS, CHANGEABLE, RELABEL, REMOVE_LABELS } from '../api/operations-on-demand.js';
import { pictures } from '../text/words.js';
import { formerOf, has, labelOf } from './former.js';

const UNDO_SECONDS = 20;

/** @typedef {import('../types').Picture} Picture */

/** Why a picture in this state can't be changed: of one, and of several. @type {Record<string, [string, string]>} */
const REASONS = {
  FAILED: ['could not be labelled', 'they could not be labelled'],
  LABELLING: ['is being labelled', 'they are being labelled'],
  AWAITING_UPLOAD: ['is not uploaded yet', 'they are not uploaded yet'],
  EXPIRED: ['was never uploaded', 'they were never uploaded'],
};

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
    const changed = await this.#change(RELABEL, ids, {});
    if (changed.length) this.notices.show(`Labelling ${pictures(changed.length)} again.`);
    for (const id of changed) this.watch({ id });
  }

  /** Adds a label to the pictures on which the owner did not decide so. @param {string[]} ids @param {string} name */
  addLabel(ids, name) {
    const lacks = (/** @type {Picture} */ { labels }) => !labelOf(labels, name)?.confirmedAt;
    return this.#correct(ids, name, lacks, ADD_LABELS, { labels: [{ name }] }, ['Added', 'to', 'have']);
  }

  /** Removes a label from the pictures that have it. @param {string[]} ids @param {string} name */
  removeLabel(ids, name) {
    const carries = (/** @type {Picture} */ { labels }) => has(labels, name);
    return this.#correct(ids, name, carries, REMOVE_LABELS, { names: [name] }, ['Removed', 'from', 'lack']);
  }

  /**
   * Corrects a label of those pictures that `needs` accepts, says of how many, and offers to undo that.
   * @param {string[]} ids
   * @param {string} name
   * @param {(picture: Picture) => boolean} needs
   * @param {string} operation
   * @param {object} variables
   * @param {[string, string, string]} words what was done, its preposition, and what the others do already
   */
  async #correct(ids, name, needs, operation, variables, [done, of, already]) {
    const known = await this.#known(ids);
    if (!known) return;
    const needing = ids.filter((id) => known.has(id) && needs(/** @type {Picture} */ (known.get(id))));
    if (!needing.length) {
      this.notices.show(`Nothing changed: the selected pictures ${already} the label ${name} already.`);
      return;
    }
    const changed = await this.#change(operation, needing, variables, known);
    if (!changed.length) return;
    this.notices.show(`${done} ${name} ${of} ${pictures(changed.length)}.`, {
      seconds: UNDO_SECONDS,
      actions: [['Undo', () => this.#undo(changed, name, known)]],
    });
    await this.reload(changed);
  }

  /** Brings back what was decided about a label. @param {string[]} ids @param {string} name @param {Map<string, Picture>} known */
  async #undo(ids, name, known) {
    /** @type {Map<string, {operation: string, variables: object, ids: string[]}>} */
    const groups = new Map();
    for (const id of ids) {
      const former = formerOf(/** @type {Picture} */ (known.get(id)), name);
      const key = JSON.stringify(former);
      const group = groups.get(key) ?? { ...former, ids: [] };
      group.ids.push(id);
      groups.set(key, group);
    }
    /** @type {string[]} */
    const undone = [];
    for (const { operation, variables, ids: part } of groups.values()) undone.push(...(await this.#change(operation, part, variables, known)));
    if (undone.length) this.notices.show(`Undone for ${pictures(undone.length)}.`);
    await this.reload(undone);
  }

  /** Returns the pictures with these ids, without those that are gone; undefined after an error, which it shows. @param {string[]} ids */
  async #known(ids) {
    /** @type {Map<string, Picture>} */
    const known = new Map();
    try {
      for (const part of batchesOf(ids)) {
        const { nodes } = await this.client.ask(CHANGEABLE, { ids: part });
        for (const each of nodes) if (each) known.set(each.id, each);
      }
      return known;
    } catch (error) {
      this.notices.show(`${pictures(ids.length)} not changed: ${error.message}`);
    }
  }

  /**
   * Executes a mutation for all pictures, says which are not changed and why, and returns the ids of the others.
   * @param {string} mutation
   * @param {string[]} ids
   * @param {object} variables
   * @param {Map<string, Picture>} [known]
   */
  async #change(mutation, ids, variables, known = new Map()) {
    /** @type {string[]} */
    const changed = [];
    /** @type {Map<string, Picture[]>} */
    const stuck = new Map(); // by status
    let problem = '';
    for (const part of batchesOf(ids)) {
      try {
        const { outcomes } = await this.client.change(mutation, { ids: part, ...variables });
        outcomes.forEach((/** @type {any} */ { __typename, status, message }, /** @type {number} */ index) => {
          const id = part[index];
          if (message === undefined) changed.push(id);
          else if (status in REASONS) stuck.set(status, [...(stuck.get(status) ?? []), /** @type {Picture} */ (known.get(id))]);
          else problem = __typename === 'BlobNotFound' ? 'deleted by another client.' : message;
        });
      } catch (error) {
        problem = error.message;
        break; // what fails for a whole request fails for the next one
      }
    }
    let others = ids.length - changed.length;
    for (const [status, those] of stuck) {
      const [one, several] = REASONS[status];
      others -= those.length;
      this.notices.show(`${pictures(those.length)} not changed: ${those.length === 1 ? `${those[0]?.fileName ?? 'it'} ${one}` : several}.`);
    }
    if (problem) this.notices.show(`${pictures(others)} not changed: ${problem}`);
    return changed;
  }
}
