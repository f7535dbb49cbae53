import { signal } from '@preact/signals';

import { batchesOf } from '../api/batches.js';
import { RELABEL } from '../api/operations-on-demand.js';
import { mayRelabel, remedyOf } from '../text/remedies.js';
import { failureText, STATUS } from '../text/words.js';

/** @typedef {import('../types').Failed} Failed */
/** @typedef {import('../types').Tile} Tile */

/** The files of this page that failed, by their upload or by their labelling, until the user dismisses them. */
export class Failures {
  /** `watch` follows a blob until it is labelled. @param {{client: import('../api/client.js').Client, watch: (blob: {id: string}) => void}} parts */
  constructor({ client, watch }) {
    this.client = client;
    this.watch = watch;
    this.list = signal(/** @type {Failed[]} */ ([]));
    /** Whether the list is shown. */
    this.open = signal(false);
    /** The names of the uploaded files that have no labels yet, by the ids of their pictures. @type {Map<string, string>} */
    this.names = new Map();
  }

  /** Adds a failed upload. Without a remedy, another try may succeed. @param {import('../types').Upload} upload @param {string | null} remedy */
  addUpload(upload, remedy) {
    const { key, name, problem } = upload;
    this.#add({ key, name, reason: problem ?? '', remedy: remedy ?? 'Try again.', retryable: remedy === null, upload, id: null });
  }

  /** Expects the labels of an uploaded file. @param {string} id @param {string} name */
  expect(id, name) {
    this.names.set(id, name);
  }

  /** Notes what became of a picture: null if it was deleted. @param {string} id @param {Tile | null} blob */
  settle(id, blob) {
    const name = this.names.get(id);
    if (name === undefined) return;
    this.take((each) => each.id === id);
    if (blob?.failure) {
      const { failure } = blob;
      this.#add({ key: id, name, reason: failureText(failure), remedy: remedyOf(failure), retryable: mayRelabel(failure), upload: null, id });
    } else if (blob?.status === 'EXPIRED') {
      this.#add({ key: id, name, reason: `${STATUS.EXPIRED}.`, remedy: 'Upload the file again.', retryable: false, upload: null, id });
    } else this.names.delete(id);
  }

  /** Has failed pictures labelled again. @param {Failed[]} failed */
  async relabel(failed) {
    for (const ids of batchesOf(failed.map(({ key }) => key))) {
      /** @type {{message?: string}[]} */
      let outcomes;
      try {
        ({ outcomes } = await this.client.change(RELABEL, { ids }));
      } catch (error) {
        outcomes = ids.map(() => error);
      }
      outcomes.forEach(({ message }, index) => {
        const each = /** @type {Failed} */ (failed.find(({ key }) => key === ids[index]));
        if (message === undefined) this.watch({ id: ids[index] });
        else this.#add({ ...each, reason: message });
      });
    }
  }

  /** Removes what `chosen` accepts from the list, and returns it. @param {(failed: Failed) => boolean} chosen */
  take(chosen) {
    const taken = this.list.value.filter(chosen);
    if (taken.length) this.list.value = this.list.value.filter((each) => !chosen(each));
    return taken;
  }

  /** @param {Failed} failed */
  #add(failed) {
    this.list.value = [...this.list.value, failed];
  }
}
