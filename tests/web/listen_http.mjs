// Subscribes over HTTP: node listen_http.mjs '{"url": ..., "by": "sse" | "multipart", "query": ...,
// "variables": ..., "headers": ...}'. Prints each message as a line of JSON: {next}, {error}, {complete}; {retry} when
// graphql-sse reconnects after the stream broke. A line of input ends the subscription.
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { createClient } from 'graphql-sse';

const { url, by, query, variables, headers } = JSON.parse(process.argv[2]);
const tell = (what) => console.log(JSON.stringify(what));
const shown = (error) =>
  error.errors ?? { name: error.name, message: error.message, status: error.statusCode ?? error.response?.status };

let stop;
await new Promise((end) => {
  const sink = {
    next: (next) => tell({ next }),
    error: (error) => end(tell({ error: Array.isArray(error) ? error : shown(error) })),
    complete: () => end(tell({ complete: true })),
  };
  if (by === 'sse') {
    const client = createClient({
      url,
      headers,
      retryAttempts: 1,
      retry: async () => tell({ retry: true }),
    });
    stop = client.subscribe({ query, variables }, sink);
  } else {
    const client = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: url, headers }) });
    const subscribed = client.subscribe({ query: gql(query), variables, errorPolicy: 'all' }).subscribe(sink);
    stop = () => subscribed.unsubscribe();
  }
  process.stdin.once('data', () => end(stop()));
});
process.exit(0);
