// Subscribes as docs/clients.md shows: node listen_libraries.mjs '{"url": ..., "by": "urql" | "urql over HTTP" | "relay",
// "query": ..., "variables": ...}'. Prints each message as a line of JSON: {next}, {error}, {complete}.
import { cacheExchange, Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import runtime from 'relay-runtime';
import { onEnd, pipe, subscribe } from 'wonka';
import { WebSocket } from 'ws';

const { Network, Observable } = runtime;
const { url, by, query, variables } = JSON.parse(process.argv[2]);
const tell = (what) => console.log(JSON.stringify(what));
const socket = createClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 });

function listenByUrql(exchanges, options) {
  const client = new Client({ url, exchanges: [cacheExchange, ...exchanges], ...options });
  return new Promise((end) => {
    pipe(
      client.subscription(query, variables),
      onEnd(() => end(tell({ complete: true }))),
      subscribe(({ data, error, hasNext }) => {
        if (error) tell({ error: error.graphQLErrors });
        else if (hasNext) tell({ next: { data } });
      }),
    );
  });
}

function listenByRelay() {
  const network = Network.create(
    () => Promise.reject(new Error('only subscriptions')),
    ({ text }, values) => Observable.create((sink) => socket.subscribe({ query: text, variables: values }, sink)),
  );
  const request = { kind: 'Operation', operationKind: 'subscription', name: 'Events', id: null, text: query, metadata: {} };
  return new Promise((end) => {
    network.execute(request, variables, {}).subscribe({
      next: (next) => tell({ next }),
      error: (error) => end(tell({ error })),
      complete: () => end(tell({ complete: true })),
    });
  });
}

const bySocket = subscriptionExchange({
  forwardSubscription: ({ query: text, variables: values }) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query: text, variables: values }, sink) }),
  }),
});
if (by === 'relay') await listenByRelay();
else if (by === 'urql') await listenByUrql([bySocket]);
else await listenByUrql([fetchExchange], { fetchSubscriptions: true });
process.exit(0);
