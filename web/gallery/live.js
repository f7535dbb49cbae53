import { createClient } from 'graphql-ws';

import { authorization, endpoint } from './api.js';

const KEEP_ALIVE = 20_000;
const LONGEST_WAIT = 15_000;

function address() {
  const named = document.querySelector('meta[name="labelling-live"]')?.content;
  const url = named ? new URL(named) : endpoint();
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

/**
 * Subscriptions over one WebSocket, which is made anew when it breaks; `onConnected` is told when
 * there is one, and when there is none.
 */
export class Live {
  constructor(onConnected) {
    this.onConnected = onConnected;
    this.connected = false;
    this.client = this.#made();
  }

  /** Calls `onNext` with each blob of a subscription; returns what ends it. */
  subscribe(query, variables, onNext) {
    return this.client.subscribe(
      { query, variables },
      {
        next: ({ data }) => data && onNext(Object.values(data)[0]),
        error: () => {}, // whoever needs to know asks by query
        complete: () => {},
      },
    );
  }

  /** Connects anew, as by changed settings. Its subscriptions are gone. */
  restart() {
    this.client.dispose();
    this.#tell(false);
    this.client = this.#made();
  }

  #tell(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.onConnected(connected);
  }

  #made() {
    const client = createClient({
      url: address,
      connectionParams: () => {
        const key = authorization();
        return key ? { authorization: key } : {};
      },
      keepAlive: KEEP_ALIVE,
      lazy: true,
      retryAttempts: Infinity,
      shouldRetry: () => true,
      retryWait: (tries) =>
        new Promise((done) => {
          setTimeout(done, Math.min(LONGEST_WAIT, 500 * 2 ** tries) * (0.5 + Math.random() / 2));
        }),
      on: {
        connected: () => client === this.client && this.#tell(true),
        closed: () => client === this.client && this.#tell(false),
      },
    });
    return client;
  }
}
