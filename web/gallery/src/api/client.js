import { bearer } from './session.js';

const SECONDS = 20;
const PASSING = new Set(['OFFLINE', 'SERVICE_UNAVAILABLE', 'TIMEOUT', 'TOO_MANY_REQUESTS']);
const UNAVAILABLE = [502, 503, 504];

/** A failed request. `message` is for people; `code` is that of the GraphQL error, if there is one. */
export class ServiceError extends Error {
  /**
   * @param {string} message
   * @param {{code?: string, retryAt?: string, problems?: {field: string, message: string}[]}} [details]
   */
  constructor(message, { code, retryAt, problems = [] } = {}) {
    super(message);
    this.code = code;
    this.retryAt = retryAt;
    this.problems = problems; // of InvalidInput
  }

  /** Whether a retry can succeed: the service was unreachable or overloaded. */
  get passing() {
    return PASSING.has(this.code ?? '');
  }
}

/** Executes operations, and notes whether the service is reachable. */
export class Client {
  /**
   * @param {import('./session.js').Session} session
   * @param {typeof fetch} [send]
   */
  constructor(session, send = (...request) => fetch(...request)) {
    this.session = session;
    this.send = send;
  }

  /**
   * Executes an operation and returns its data. Throws ServiceError.
   * `key` is sent in place of the session's; `keepalive` lets the request outlive the page.
   * @param {string} query
   * @param {object} [variables]
   * @param {{keepalive?: boolean, key?: string}} [options]
   * @returns {Promise<any>}
   */
  async ask(query, variables = {}, { keepalive = false, key = this.session.key } = {}) {
    const authorization = bearer(key);
    let response;
    try {
      response = await this.send(this.session.endpoint, {
        method: 'POST',
        headers: {
          Accept: 'application/graphql-response+json, application/json;q=0.9',
          'Content-Type': 'application/json',
          ...(authorization && { Authorization: authorization }),
        },
        body: JSON.stringify({ query, variables }),
        keepalive,
        signal: keepalive ? undefined : AbortSignal.timeout(SECONDS * 1000),
      });
    } catch {
      this.session.reachable.value = false;
      throw new ServiceError('The service can’t be reached.', { code: 'OFFLINE' });
    }
    const answer = await response.json().catch(() => null);
    this.session.reachable.value = !UNAVAILABLE.includes(response.status);
    const error = answer?.errors?.[0];
    if (error) throw new ServiceError(error.message, error.extensions);
    if (!answer?.data) throw new ServiceError(`The service responded with status ${response.status} and no GraphQL.`);
    return answer.data;
  }

  /**
   * Executes a mutation with one field and returns its result. Throws ServiceError, also for a
   * result that is an `Error` of the schema.
   * @param {string} query
   * @param {object} [variables]
   * @param {{keepalive?: boolean}} [options]
   * @returns {Promise<any>}
   */
  async change(query, variables, options) {
    const [result] = Object.values(await this.ask(query, variables, options));
    if (result?.message !== undefined) throw new ServiceError(result.message, { ...result, code: result.__typename });
    return result;
  }
}
