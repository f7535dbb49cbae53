import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';

export const SIGNED_OUT = 'signed-out'; // event: a request was not authenticated

/**
 * Sends an operation to the address this page was served from; a subscription by WebSocket. The session's cookie goes
 * along, unless the headers of the editor name a key.
 */
export async function fetcher({ query, variables, operationName }, { headers = {} } = {}) {
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
  if (response.status === 401) dispatchEvent(new Event(SIGNED_OUT));
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`HTTP ${response.status} ${response.statusText}: ${text || 'no body'}`);
  }
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
