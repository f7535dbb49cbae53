import { signal } from '@preact/signals';

const STORED = 'labelling:key';

/** The service that the page uses, and the API key that it sends. */
export class Session {
  /**
   * @param {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} storage keeps the key in this browser
   * @param {Pick<Document, 'querySelector' | 'baseURI'>} page has the addresses in meta tags
   */
  constructor(storage, page) {
    this.storage = storage;
    this.page = page;
    this.key = storage.getItem(STORED) ?? '';
    this.reachable = signal(true);
  }

  /** Stores the API key; an empty one is forgotten. @param {string} key */
  keep(key) {
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
