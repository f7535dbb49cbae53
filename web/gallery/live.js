import { createClient } from 'graphql-ws';

import { authorization, endpoint, pageSetting } from './api.js';

const KEEP_ALIVE = 20_000;
const LONGEST_WAIT = 15_000;

function address() {
  const url = pageSetting('live') ? new URL(pageSetting('live')) : endpoint();
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

/** Subscriptions over one WebSocket, which reconnects. */
export class Live {
  constructor() {
    this.connected = false;
    this.client = createClient({
      url: address,
      connectionParams: () => {
        const authorized = authorization();
        return authorized ? { authorization: authorized } : {};
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
        connected: () => { this.connected = true; },
        closed: () => { this.connected = false; },
      },
    });
  }

  /** Calls `onNext` with each event of a subscription. Returns a function that ends it. */
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

  /** Ends all subscriptions. */
  close() {
    this.client.dispose();
  }
}
