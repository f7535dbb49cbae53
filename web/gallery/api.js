/** A failure with words for people; `code` is that of the GraphQL error, if it is one. */
export class Trouble extends Error {
  constructor(message, { code, retryAt } = {}) {
    super(message);
    this.code = code;
    this.retryAt = retryAt;
  }

  /** The service was not reached, or could not answer now: the same may work in a moment. */
  get passing() {
    return this.code === 'OFFLINE' || this.code === 'SERVICE_UNAVAILABLE' || this.code === 'TIMEOUT';
  }
}

const STORED = 'labelling:key';
const SECONDS = 20;

/** What the page says of where it is: its meta tags, if whoever put it there wrote any. */
export const told = (name) => document.querySelector(`meta[name="labelling-${name}"]`)?.content;

/** The address of the GraphQL endpoint: that of the service the page came from, or as it is told. */
export const endpoint = () => new URL(told('api') ?? 'graphql', document.baseURI);

let key = localStorage.getItem(STORED) ?? '';

export const apiKey = () => key;

/** Keeps the API key, in this browser only. */
export function keepKey(given) {
  key = given;
  localStorage.setItem(STORED, key);
}

export const authorization = () => (key ? `Bearer ${key}` : undefined);

const listeners = new Set();
let reachable = true;

/** Calls back when the service is found to be reachable, or not; returns what ends that. */
export function onReachable(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function setReachable(now) {
  if (now === reachable) return;
  reachable = now;
  for (const each of [...listeners]) each(now);
}

/** Executes an operation and returns its data. Throws Trouble. */
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
    throw new Trouble('The service can’t be reached.', { code: 'OFFLINE' });
  }
  const answer = await response.json().catch(() => null);
  setReachable(response.status !== 502 && response.status !== 503 && response.status !== 504);
  const error = answer?.errors?.[0];
  if (error) throw new Trouble(error.message, error.extensions);
  if (!answer?.data) throw new Trouble(`The service responded with status ${response.status} and no GraphQL.`);
  return answer.data;
}

/** Returns the one result of a mutation. Throws Trouble for each `Error` the schema names. */
export async function change(query, variables, options) {
  const [result] = Object.values(await ask(query, variables, options));
  if (result?.message !== undefined) throw new Trouble(result.message, { code: result.__typename, retryAt: result.retryAt });
  return result;
}
