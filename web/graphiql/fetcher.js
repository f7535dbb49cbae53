import { parse } from 'graphql';

/** Sends an operation to the address this page was served from. */
export async function fetcher({ query, variables, operationName }, { headers } = {}) {
  const response = await fetch(window.location.pathname, {
    method: 'POST',
    headers: {
      Accept: 'application/graphql-response+json, application/json;q=0.9',
      'Content-Type': 'application/json',
      ...headers,
    },
    body: JSON.stringify({
      query,
      variables,
      operationName: defines(query, operationName) ? operationName : undefined,
    }),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`HTTP ${response.status} ${response.statusText}: ${text || 'no body'}`);
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
