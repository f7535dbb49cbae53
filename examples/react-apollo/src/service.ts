// What a page does while the service is away, because it was not started yet or is being restarted: each request is
// repeated until there is a response, and the page has a message meanwhile.
import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let silent: string | undefined;

function setSilent(origin?: string) {
  silent = origin;
  for (const listener of listeners) listener();
}

function listen(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Returns what to tell the user while a service does not answer. */
export function useSilence(): string | undefined {
  const origin = useSyncExternalStore(listen, () => silent);
  if (!origin) return undefined;
  const cause = `Is it running, and does it accept pages of ${location.origin} (--cors-origins)?`;
  return `${origin} does not answer. ${cause} Trying again.`;
}

/** Repeats a request until there is a response. A request without one throws a TypeError, as fetch does. */
export async function patiently<Response>(url: string, request: () => Promise<Response>): Promise<Response> {
  for (let pause = 500; ; pause = Math.min(2 * pause, 5000)) {
    try {
      const response = await request();
      setSilent();
      return response;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // for example, the request was aborted
      setSilent(new URL(url).origin);
      await new Promise((done) => setTimeout(done, pause));
    }
  }
}

/** fetch for a GraphQL client, to one service. A repeated createUpload needs an idempotencyKey. */
export function patientFetch(...request: Parameters<typeof fetch>): Promise<Response> {
  return patiently(String(request[0]), async () => {
    const response = await fetch(...request);
    if ([502, 503, 504].includes(response.status)) throw new TypeError(); // a proxy answers instead of the service
    return response;
  });
}
