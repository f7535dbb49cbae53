// Subscribes with graphql-ws: node listen.mjs '{"url": ..., "operations": [{"query": ...}, ...]}'
// Optional: `params` (of connection_init), `headers` (of the handshake), `keepAlive` (ms).
// Prints each message as a line of JSON: {connected}, {opened}, {closed: code}, {id, next},
// {id, error}, {id, complete}. Ends with the last operation; a line of input closes the socket.
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

const { url, operations, params, headers, keepAlive } = JSON.parse(process.argv[2]);
const tell = (what) => console.log(JSON.stringify(what));

class Socket extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { headers });
  }
}

const client = createClient({
  url,
  connectionParams: params,
  keepAlive: keepAlive ?? 0,
  retryAttempts: 0,
  webSocketImpl: Socket,
  on: {
    opened: () => tell({ opened: true }),
    connected: () => tell({ connected: true }),
    pong: (received) => received && tell({ pong: true }),
    closed: (event) => tell({ closed: event.code }),
  },
});
const shown = (error) =>
  Array.isArray(error) ? error : { code: error.code ?? null, message: error.message ?? error.reason };
const over = operations.map(
  (operation, id) =>
    new Promise((end) => {
      client.subscribe(operation, {
        next: (next) => tell({ id, next }),
        error: (error) => end(tell({ id, error: shown(error) })),
        complete: () => end(tell({ id, complete: true })),
      });
    }),
);
process.stdin.once('data', () => client.dispose()).once('close', () => process.exit(0));
await Promise.all(over);
await client.dispose();
process.exit(0);
