import { createClient } from 'graphql-ws';

const KEEP_ALIVE = 20_000;
const LONGEST_WAIT = 15_000;
const PONG = 10_000; // within which the service answers a ping

/** Subscriptions over one WebSocket, which reconnects. */
export class Live {
  /** @param {import('./session.js').Session} session @param {() => void} onReturn is called after each connection but the first */
  constructor(session, onReturn) {
    this.connected = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let waiting;
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
        connected: (_socket, _payload, wasRetry) => {
          this.connected = true;
          if (wasRetry) onReturn();
        },
        closed: () => {
          clearTimeout(waiting);
          this.connected = false;
        },
        // A connection that was lost without a word, as in a sleep, stays open for minutes.
        ping: (received) => { if (!received) waiting = setTimeout(() => this.client.terminate(), PONG); },
        pong: (received) => { if (received) clearTimeout(waiting); },
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
