// Signing in with an API key or token, for all pages of the service. The answer sets a cookie that scripts can't read.

const LOST = { status: 0, message: 'The browser did not keep the session. Allow cookies, and open the service at its public address.' };
const STORED = 'labelling:key'; // where earlier versions stored the key

/**
 * Signs in, or out without a key. Returns undefined, or why that failed.
 * @param {string | URL} base the address of the pages
 * @param {string} key
 * @param {typeof fetch} [send]
 * @returns {Promise<{status: number, message: string} | undefined>}
 */
export async function signIn(base, key, send = fetch) {
  const response = await send(new URL('session', base), key
    ? { method: 'POST', headers: { Authorization: `Bearer ${key}` } }
    : { method: 'DELETE' }).catch(() => null);
  if (response?.ok) return !key || (await sessionOf(base, send)) ? undefined : LOST;
  const problem = await response?.json().catch(() => null);
  return {
    status: response?.status ?? 0,
    message: forPeople(problem?.detail) ?? (response ? `The service responded with status ${response.status}.` : 'The service can’t be reached.'),
  };
}

/**
 * Returns whom the browser is signed in as, and what that allows; null if it is not.
 * @param {string | URL} base
 * @param {typeof fetch} [send]
 * @returns {Promise<{owner: string, scopes: string[]} | null>}
 */
export async function sessionOf(base, send = fetch) {
  const response = await send(new URL('session', base)).catch(() => null);
  return response?.status === 200 ? response.json() : null;
}

/** Returns an error about a key that was sent, without what a program must send. @param {string | undefined} message */
export const forPeople = (message) => message?.replace(/: send one as .*/s, '.').replace('A valid API key is needed', 'This key is not valid');

/**
 * Replaces a key that an earlier version stored by a session, and removes it. Until the service answers, it stays.
 * @param {string | URL} base
 * @param {Pick<Storage, 'getItem' | 'removeItem'>} [storage]
 * @param {typeof fetch} [send]
 */
export async function replaceStoredKey(base, storage = localStorage, send = fetch) {
  const key = storage.getItem(STORED);
  if (!key) return;
  const failed = await signIn(base, key, send);
  if (!failed || failed.status === 401) storage.removeItem(STORED);
}
