import { signal } from '@preact/signals';

import { PICTURE } from '../api/operations.js';
import { described } from '../text/words.js';
import { WHOLE } from '../viewer/zoom.js';

/** @typedef {import('../types').Picture} Picture */
/** @typedef {import('../types').Tile} Tile */

/** The picture that is shown alone: what is known of it. */
export class Viewer {
  /**
   * `onStep` receives the id of the picture that a step leads to.
   * @param {{
   *   client: import('../api/client.js').Client,
   *   collection: import('./collection.js').Collection,
   *   notices: import('./notices.js').Notices,
   *   onStep: (id: string) => void,
   * }} parts
   */
  constructor({ client, collection, notices, onStep }) {
    this.client = client;
    this.collection = collection;
    this.notices = notices;
    this.onStep = onStep;
    this.id = signal(/** @type {string | null} */ (null));
    /** The loaded picture; null while it loads. */
    this.blob = signal(/** @type {Picture | null} */ (null));
    /** Why there is no picture. */
    this.problem = signal('');
    this.copies = signal(/** @type {Tile[]} */ ([]));
    this.similar = signal(/** @type {Tile[]} */ ([]));
    /** What the grid knows of the picture: shown while it loads. */
    this.preview = signal(/** @type {Tile | null} */ (null));
    this.zoom = signal(/** @type {import('../viewer/zoom.js').Zoom} */ (WHOLE));
    /** Whether all boxes are shown. */
    this.boxes = signal(false);
    /** The label whose boxes are highlighted. */
    this.highlighted = signal(/** @type {string | null} */ (null));
    /** The name and facts that are edited. */
    this.editing = signal(/** @type {import('./facts.js').FactsDraft | null} */ (null));
    this.compared = ''; // the picture and the time of its labels that `similar` belongs to
    this.said = '';
    /** @type {Promise<void> | null} */
    this.looking = null;
    this.again = false;
  }

  /** Shows a picture. @param {string} id */
  open(id) {
    if (id === this.id.value) return;
    this.id.value = id;
    this.blob.value = null;
    this.preview.value = this.collection.find(id)?.blob ?? null;
    this.zoom.value = WHOLE;
    this.highlighted.value = null;
    this.problem.value = '';
    this.copies.value = [];
    this.similar.value = [];
    this.compared = '';
    this.said = '';
    this.look();
  }

  close() {
    this.id.value = null;
    this.blob.value = null;
  }

  /** Shows the picture `by` places after the one that was asked for last. @param {number} by */
  step(by) {
    const next = this.id.value && this.collection.beside(this.id.value, by);
    if (!next) return;
    this.open(next);
    this.onStep(next);
  }

  /** Loads the picture again. While a request is under way, one more follows it. */
  look() {
    this.again = true;
    this.looking ??= Promise.resolve().then(() => this.#look());
    return this.looking;
  }

  async #look() {
    while (this.again && this.id.value) {
      this.again = false;
      const id = this.id.value;
      try {
        const { blob } = await this.client.ask(PICTURE, { id });
        if (id === this.id.value) this.#show(blob);
      } catch (error) {
        if (id === this.id.value && !this.blob.value) this.problem.value = error.message;
      }
    }
    this.looking = null;
  }

  /** @param {Picture | null} blob */
  #show(blob) {
    const before = this.blob.value;
    if (!blob || blob.deletesAt) {
      this.blob.value = null;
      this.problem.value = blob ? 'This picture is deleted.' : 'This picture does not exist.';
      return;
    }
    this.blob.value = withKnownUrl(blob, before);
    this.problem.value = '';
    const text = described(blob);
    if (text !== this.said) this.notices.speak(text);
    this.said = text;
    this.#compare(blob);
  }

  /** @param {Picture} blob */
  async #compare({ id, labelledAt }) {
    const compared = labelledAt ? `${id} ${labelledAt}` : '';
    if (!compared || compared === this.compared) return;
    this.compared = compared;
    try {
      const { SIMILAR } = await import('../api/operations-on-demand.js');
      const { blob } = await this.client.ask(SIMILAR, { id });
      if (compared !== this.compared || !blob) return;
      this.copies.value = blob.copies?.nodes ?? [];
      this.similar.value = blob.similar?.nodes ?? [];
    } catch {
      if (compared === this.compared) this.compared = ''; // the next look asks again
    }
  }

  /** Removes a picture that was deleted. @param {string} id */
  forget(id) {
    this.copies.value = this.copies.value.filter((each) => each.id !== id);
    this.similar.value = this.similar.value.filter((each) => each.id !== id);
    if (id === this.id.value) this.look();
  }
}

/** Returns the picture with the URL by which the browser has it already, beside that with a newer signature or name. @param {Picture} blob @param {Picture | null} before @returns {Picture} */
function withKnownUrl(blob, before) {
  const same = before?.id === blob.id && pathOf(before.downloadUrl) === pathOf(blob.downloadUrl);
  return { ...blob, shownUrl: same ? before.shownUrl : blob.downloadUrl };
}

/** @param {string | null} url */
const pathOf = (url) => url?.split('?')[0];
