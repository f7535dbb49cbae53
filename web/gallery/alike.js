import { ask } from './api.js';
import { make } from './dom.js';
import { SIMILAR } from './operations.js';
import { described } from './words.js';

/** The pictures that look like the one that is shown: copies of it, and others. */
export class Alike {
  constructor() {
    this.section = make('section', { className: 'alike' });
    this.of = null; // the picture and the time of its labels that the section belongs to
  }

  /** Forgets what was found, for a picture that is opened: there may be more by now. */
  forget() {
    this.of = null;
  }

  /** Returns the section for a picture. While that stays open, it is filled once for each labelling. */
  for({ id, labelledAt }) {
    const of = labelledAt && `${id} ${labelledAt}`;
    if (of !== this.of) {
      this.of = of;
      this.section.replaceChildren();
      if (of) this.#load(id, of);
    }
    return this.section;
  }

  /** Removes a picture that was deleted. */
  remove(id) {
    this.section.querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove();
  }

  async #load(id, of) {
    try {
      const { blob } = await ask(SIMILAR, { id });
      if (of !== this.of || !blob) return;
      this.section.replaceChildren(
        ...strip('Copies of this picture', blob.copies),
        ...strip('More like this', blob.similar),
      );
    } catch {
      if (of === this.of) this.of = null; // the next look asks again
    }
  }
}

/** Returns a heading and a list of pictures; nothing where there are none. */
function strip(heading, found) {
  if (!found?.nodes.length) return [];
  return [
    make('h3', {}, heading),
    make(
      'ul',
      { 'aria-label': heading },
      found.nodes.map((blob) => {
        const item = make(
          'li',
          {},
          make(
            'a',
            { href: `#/picture/${encodeURIComponent(blob.id)}` },
            make('img', { src: blob.thumbnailUrl ?? blob.downloadUrl, alt: described(blob), loading: 'lazy', width: 96, height: 96 }),
          ),
        );
        item.dataset.id = blob.id;
        return item;
      }),
    ),
  ];
}
