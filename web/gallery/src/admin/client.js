import { ServiceError } from '../api/client.js';

const SECONDS = 60; // the checks read the whole database

/** Reads and changes what the operator sees, at `admin/...`. */
export class AdminClient {
  /**
   * @param {import('../api/session.js').Session} session
   * @param {typeof fetch} [send]
   */
  constructor(session, send = (...request) => fetch(...request)) {
    this.session = session;
    this.send = send;
  }

  /** Reads. Throws ServiceError. @param {string} path @param {Record<string, string | number>} [query] */
  get(path, query) {
    return this.#ask('GET', path, query);
  }

  /** Changes something. Throws ServiceError. @param {string} path @param {Record<string, string | number>} [query] */
  post(path, query) {
    return this.#ask('POST', path, query);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Record<string, string | number>} [query]
   * @returns {Promise<any>}
   */
  async #ask(method, path, query = {}) {
    const url = new URL(`admin/${path}`, this.session.page.baseURI);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    const { authorization } = this.session;
    let response;
    try {
      response = await this.send(url, {
        method,
        headers: { Accept: 'application/json', ...(authorization && { Authorization: authorization }) },
        signal: AbortSignal.timeout(SECONDS * 1000),
      });
    } catch {
      throw new ServiceError('The service can’t be reached.', { code: 'OFFLINE' });
    }
    const answer = await response.json().catch(() => null);
    if (response.ok && answer) return answer;
    throw new ServiceError(answer?.detail ?? `The service responded with status ${response.status}.`, { code: answer?.code });
  }
}

/** Returns parts of a path, encoded. @param {string[]} parts */
export const pathOf = (...parts) => parts.map(encodeURIComponent).join('/');
