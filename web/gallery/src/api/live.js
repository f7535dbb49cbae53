import { createClient } from 'graphql-ws';

const KEEP_ALIVE = 20_000;
const LONGEST_WAIT = 15_000;

/** Subscriptions over one WebSocket, which reconnects. */
export class Live {
  /** @param {import('./session.js').Session} session */
  constructor(session) {
    this.connected = false;
    this.client = createClient({
      url: () => session.liveEndpoint.href,
      connectionParams: () => (session.authorization ? { authorization: session.authorization } : {}),
      keepAlive: KEEP_ALIVE,
      lazy: true,
      retryAttempts: Infinity,
      shouldRetry: () => true,
      retryWait: (tries) =>
        new Promise((done) => {
          setTimeout(done, Math.min(LONGEST_WAIT, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
        }),
      on: {
        connected: () => { this.connected = true; },
        closed: () => { this.connected = false; },
      },
    });
  }

  /**
   * Calls `onNext` with each event of a subscription. Returns a function that ends it.
   * @param {string} query
   * @param {Record<string, unknown>} variables
   * @param {(event: any) => void} onNext
   */
  subscribe(query, variables, onNext) {
    return this.client.subscribe(
      { query, variables },
      {
        next: ({ data }) => data && onNext(Object.values(data)[0]),
        error: () => {}, // the page polls instead
        complete: () => {},
      },
    );
  }
}
