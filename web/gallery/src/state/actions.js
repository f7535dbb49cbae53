import { REDELIVER, RELABEL } from '../api/operations-on-demand.js';

const SOON = 1500; // milliseconds
const LOOKS = 20; // reloads after a webhook was sent again

const pause = (/** @type {number} */ milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** What the service does again with the picture in the viewer. */
export class Actions {
  /**
   * `watch` follows a blob until it is labelled.
   * @param {{
   *   client: import('../api/client.js').Client,
   *   notices: import('./notices.js').Notices,
   *   viewer: import('./viewer.js').Viewer,
   *   watch: (blob: {id: string}) => void,
   * }} parts
   */
  constructor({ client, notices, viewer, watch }) {
    this.client = client;
    this.notices = notices;
    this.viewer = viewer;
    this.watch = watch;
  }

  /** Has the picture labelled again. */
  async relabel() {
    const id = this.viewer.id.value;
    if (!id) return;
    await this.#do(async () => {
      const { outcomes } = await this.client.change(RELABEL, { ids: [id] });
      if (outcomes[0].message !== undefined) throw new Error(outcomes[0].message);
      this.notices.show('Labelling again.');
      this.watch({ id });
    });
  }

  /** Sends the webhook again, and shows its attempts until it is delivered or given up. @param {string} delivery */
  async redeliver(delivery) {
    const { viewer } = this;
    const id = viewer.id.value;
    const sent = await this.#do(async () => {
      await this.client.change(REDELIVER, { id: delivery });
      this.notices.show('Sending the webhook again.');
    });
    for (let looks = 0; sent && looks < LOOKS && viewer.id.value === id; looks += 1) {
      if (!['PENDING', 'RETRYING'].includes(viewer.blob.value?.callback?.status ?? '')) return;
      await pause(SOON);
      if (viewer.id.value === id) await viewer.look();
    }
  }

  /** @param {() => Promise<void>} act */
  async #do(act) {
    let done = true;
    try {
      await act();
    } catch (error) {
      this.notices.show(error.message);
      done = false;
    }
    await this.viewer.look();
    return done;
  }
}
