import { signal } from '@preact/signals';

import { readSearch } from './text/search.js';

/**
 * @typedef {{page: 'library', search: import('./types').Search} | {page: 'explore'} | {page: 'picture', id: string}} Route
 */

/**
 * Returns the route of a hash: `#/search?label=Cat&least=60`, `#/explore` or `#/picture/<id>`.
 * @param {string} hash
 * @param {number} least the minimum confidence, where the hash has none
 * @returns {Route}
 */
export function readRoute(hash, least = 0) {
  const [, path = '', query = ''] = /^#\/([^?]*)\??(.*)$/.exec(hash) ?? [];
  if (path.startsWith('picture/')) return { page: 'picture', id: decodeURIComponent(path.slice('picture/'.length)) };
  if (path === 'explore') return { page: 'explore' };
  return { page: 'library', search: readSearch(query, least) };
}

/** Returns the hash of a picture. @param {string} id */
export const pictureHash = (id) => `#/picture/${encodeURIComponent(id)}`;

/** The route of the page's address. */
export class Router {
  /** `least` returns the minimum confidence of the present search. @param {() => number} least */
  constructor(least) {
    this.least = least;
    this.route = signal(readRoute(location.hash));
    addEventListener('hashchange', () => this.#read());
  }

  #read() {
    this.route.value = readRoute(location.hash, this.least());
  }

  /** Goes to an address. @param {string} hash */
  go(hash) {
    if (location.hash !== hash) history.pushState(null, '', hash);
    this.#read(); // at once, so that the next change starts from there
  }

  /** Goes to an address in place of the present one. @param {string} hash */
  replace(hash) {
    history.replaceState(null, '', hash);
    this.#read();
  }
}
