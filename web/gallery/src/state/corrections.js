import { signal } from '@preact/signals';

import { ServiceError } from '../api/client.js';
import { ADD_LABELS, CONFIRM_LABELS, REMOVE_LABELS, RESET_LABELS } from '../api/operations-on-demand.js';
import { formerOf, has } from './former.js';

/** What the owner decides about the labels of the picture in the viewer. */
export class Corrections {
  /**
   * @param {{
   *   client: import('../api/client.js').Client,
   *   notices: import('./notices.js').Notices,
   *   viewer: import('./viewer.js').Viewer,
   * }} parts
   */
  constructor({ client, notices, viewer }) {
    this.client = client;
    this.notices = notices;
    this.viewer = viewer;
    /** The last correction, which can be undone. */
    this.undo = signal(/** @type {{text: string, act: () => Promise<void>} | null} */ (null));
    /** The control that gets the focus, since that which had it is gone. */
    this.focus = signal(/** @type {{control: 'undo' | 'add'} | null} */ (null));
  }

  /** Forgets what can be undone: another picture is shown. */
  reset() {
    this.undo.value = null;
    this.focus.value = null;
  }

  /** @param {string} name */
  add(name) {
    return this.#do(ADD_LABELS, name, 'Added');
  }

  /** Removes a label. One that was only added is withdrawn rather than rejected. @param {string} name */
  remove(name) {
    const found = has(this.viewer.blob.value?.detectedLabels ?? [], name);
    return this.#do(found ? REMOVE_LABELS : RESET_LABELS, name, 'Removed');
  }

  /** Confirms a label, or withdraws that. @param {string} name @param {boolean} confirmed */
  confirm(name, confirmed) {
    return confirmed ? this.#do(RESET_LABELS, name, 'Not confirmed') : this.#do(CONFIRM_LABELS, name, 'Confirmed');
  }

  /** @param {string} name */
  restore(name) {
    return this.#do(RESET_LABELS, name, 'Restored');
  }

  /** Corrects a label, and offers to undo that. @param {string} operation @param {string} name @param {string} done */
  async #do(operation, name, done) {
    const { blob } = this.viewer;
    if (!blob.value) return;
    const { id } = blob.value;
    const former = formerOf(blob.value, name);
    if (!(await this.#correct(id, operation, operation === ADD_LABELS ? { labels: [{ name }] } : { names: [name] }))) return;
    await this.#offer(id, `${done} ${name}`, async () => {
      if (!(await this.#correct(id, former.operation, former.variables))) return;
      await this.#offer(id, 'Undone', null);
    });
  }

  /** @param {string} id @param {string} text @param {(() => Promise<void>) | null} act */
  async #offer(id, text, act) {
    if (this.viewer.id.value !== id) return;
    this.notices.speak(text);
    this.undo.value = act && { text, act };
    await this.viewer.look();
    if (this.viewer.id.value === id) this.focus.value = { control: act ? 'undo' : 'add' };
  }

  /** @param {string} id @param {string} operation @param {object} variables */
  async #correct(id, operation, variables) {
    try {
      const { outcomes } = await this.client.change(operation, { ids: [id], ...variables });
      if (outcomes[0].message !== undefined) throw new ServiceError(outcomes[0].message);
      return true;
    } catch (error) {
      this.notices.show(error.message);
      return false;
    }
  }
}
