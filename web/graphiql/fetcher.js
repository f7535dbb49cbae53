import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';

const STORED = 'labelling:key'; // where the gallery's settings store the API key

/** Sends an operation to the address this page was served from; a subscription by WebSocket. */
export async function fetcher({ query, variables, operationName }, options = {}) {
  const headers = authorized(options.headers);
  const name = defines(query, operationName) ? operationName : undefined;
  if (isSubscription(query, name)) return events({ query, variables, operationName: name }, headers);
  const response = await fetch(window.location.pathname, {
    method: 'POST',
    headers: {
      Accept: 'application/graphql-response+json, application/json;q=0.9',
      'Content-Type': 'application/json',
      ...headers,
    },
    body: JSON.stringify({ query, variables, operationName: name }),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`HTTP ${response.status} ${response.statusText}: ${text || 'no body'}`);
  }
}

/** Returns the headers of the editor, with the gallery's key unless they name another. */
function authorized(headers = {}) {
  const key = localStorage.getItem(STORED);
  const named = Object.keys(headers).some((name) => /^authorization$/i.test(name));
  return key && !named ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

/** Each result of a subscription, over a connection of its own: the key may be another one by then. */
async function* events(operation, headers) {
  const [, authorization] = Object.entries(headers).find(([name]) => /^authorization$/i.test(name)) ?? [];
  const client = createClient({
    url: window.location.href.replace(/^http/, 'ws').replace(/[?#].*$/, ''),
    connectionParams: authorization ? { authorization } : {},
    retryAttempts: 0,
  });
  try {
    yield* client.iterate(operation);
  } finally {
    client.dispose();
  }
}

function isSubscription(query, operationName) {
  try {
    return getOperationAST(parse(query), operationName)?.operation === 'subscription';
  } catch {
    return false; // the service says what is wrong with it
  }
}

// For a moment after a change of tab, GraphiQL still names the last tab's operation.
function defines(query, operationName) {
  try {
    return parse(query).definitions.some(({ name }) => name && name.value === operationName);
  } catch {
    return false;
  }
}
