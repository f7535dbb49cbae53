import { signal } from '@preact/signals';

import { otherTabs } from './tabs.js';

const STORED = 'labelling:key';

const signing = () => import('./sign-in.js'); // most visits need none of it

/**
 * The service that the page uses, and the right to use it: a cookie of the service that serves the page. A page on
 * another host, which no cookie reaches, has the API key itself, until its tab is closed.
 */
export class Session {
  /**
   * @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} storage keeps the key of a page on another host
   * @param {Pick<Document, 'querySelector' | 'baseURI'>} page has the addresses in meta tags
   * @param {Pick<Storage, 'getItem' | 'removeItem'>} former where earlier versions stored the key
   */
  constructor(storage, page, former = storage) {
    this.storage = storage;
    this.page = page;
    this.former = former;
    this.key = (this.isElsewhere && storage.getItem(STORED)) || '';
    this.reachable = signal(true);
    /** @type {BroadcastChannel | undefined} */
    this.tabs = undefined;
  }

  /** Whether the page is on another host than the service. */
  get isElsewhere() {
    return Boolean(this.setting('api'));
  }

  /** Takes over the key that an earlier version stored in this browser. */
  async takeOver() {
    const key = this.former.getItem(STORED);
    if (!key) return;
    if (!this.isElsewhere) {
      await (await signing()).replaceStoredKey(this.page.baseURI, this.former);
      return;
    }
    if (this.former === this.storage) return;
    this.#keep(key);
    this.former.removeItem(STORED);
  }

  /** Calls `onChange` once another tab has signed in or out: the cookie is theirs too. @param {() => void} onChange */
  watch(onChange) {
    if (!this.isElsewhere) this.tabs = otherTabs(this.page.baseURI, onChange);
  }

  /**
   * Signs in with an API key, or out with an empty one. Returns undefined, or why that failed.
   * @param {string} key
   */
  async change(key) {
    if (this.isElsewhere) {
      this.#keep(key);
      return undefined;
    }
    const failed = await (await signing()).signIn(this.page.baseURI, key);
    if (!failed) this.tabs?.postMessage('changed');
    return failed?.message;
  }

  /** Returns whom the page is signed in as, and what that allows, where it is known; null if it is not. @returns {Promise<{owner: string, scopes: string[]} | null>} */
  async caller() {
    if (this.isElsewhere) return this.key ? { owner: 'the owner of the key', scopes: [] } : null;
    return (await signing()).sessionOf(this.page.baseURI);
  }

  /** @param {string} key */
  #keep(key) {
    this.key = key;
    if (key) this.storage.setItem(STORED, key);
    else this.storage.removeItem(STORED);
  }

  /** Returns a setting of the page; undefined when it is not set. @param {string} name */
  setting(name) {
    return /** @type {HTMLMetaElement | null} */ (this.page.querySelector(`meta[name="labelling-${name}"]`))?.content;
  }

  /** The URL of the GraphQL endpoint: by default that of the service that serves the page. */
  get endpoint() {
    return new URL(this.setting('api') ?? 'graphql', this.page.baseURI);
  }

  /** The URL of the endpoint for subscriptions. */
  get liveEndpoint() {
    const live = this.setting('live');
    const url = live ? new URL(live) : this.endpoint;
    url.protocol = url.protocol.replace('http', 'ws');
    return url;
  }

  /** The Authorization value of requests, or undefined. */
  get authorization() {
    return bearer(this.key);
  }
}

/** Returns the Authorization value for a key. @param {string} key */
export const bearer = (key) => (key ? `Bearer ${key}` : undefined);
