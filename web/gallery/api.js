/** A failed request. `message` is for people; `code` is that of the GraphQL error, if there is one. */
export class ServiceError extends Error {
  constructor(message, { code, retryAt, problems = [] } = {}) {
    super(message);
    this.code = code;
    this.retryAt = retryAt;
    this.problems = problems; // of InvalidInput
  }

  /** Whether a retry can succeed: the service was unreachable or overloaded. */
  get passing() {
    return this.code === 'OFFLINE' || this.code === 'SERVICE_UNAVAILABLE' || this.code === 'TIMEOUT';
  }
}

const STORED = 'labelling:key';
const SECONDS = 20;

/** Returns a setting of the page, from its meta tags; undefined when it is not set. */
export const pageSetting = (name) => document.querySelector(`meta[name="labelling-${name}"]`)?.content;

/** Returns the URL of the GraphQL endpoint: by default that of the service that serves the page. */
export const endpoint = () => new URL(pageSetting('api') ?? 'graphql', document.baseURI);

let key = localStorage.getItem(STORED) ?? '';

export const apiKey = () => key;

/** Stores the API key in this browser. */
export function keepKey(given) {
  key = given;
  localStorage.setItem(STORED, key);
}

export const authorization = () => (key ? `Bearer ${key}` : undefined);

const listeners = new Set();
let reachable = true;

/** Calls `listener` when the service becomes reachable or unreachable. Returns a function that stops this. */
export function onReachable(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function setReachable(now) {
  if (now === reachable) return;
  reachable = now;
  for (const each of [...listeners]) each(now);
}

/** Executes an operation and returns its data. Throws ServiceError. */
export async function ask(query, variables = {}, { keepalive = false } = {}) {
  const authorized = authorization();
  let response;
  try {
    response = await fetch(endpoint(), {
      method: 'POST',
      headers: {
        Accept: 'application/graphql-response+json, application/json;q=0.9',
        'Content-Type': 'application/json',
        ...(authorized && { Authorization: authorized }),
      },
      body: JSON.stringify({ query, variables }),
      keepalive,
      signal: keepalive ? undefined : AbortSignal.timeout(SECONDS * 1000),
    });
  } catch {
    setReachable(false);
    throw new ServiceError('The service can’t be reached.', { code: 'OFFLINE' });
  }
  const answer = await response.json().catch(() => null);
  setReachable(response.status !== 502 && response.status !== 503 && response.status !== 504);
  const error = answer?.errors?.[0];
  if (error) throw new ServiceError(error.message, error.extensions);
  if (!answer?.data) throw new ServiceError(`The service responded with status ${response.status} and no GraphQL.`);
  return answer.data;
}

/** Executes a mutation with one field and returns its result. Throws ServiceError for a result that is an `Error` of the schema. */
export async function change(query, variables) {
  const [result] = Object.values(await ask(query, variables));
  if (result?.message !== undefined) throw new ServiceError(result.message, { ...result, code: result.__typename });
  return result;
}
