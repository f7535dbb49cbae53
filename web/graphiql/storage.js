// What GraphiQL stores in the browser: tabs, history and settings, but never the headers, which may contain a key.

const HEADERS = 'graphiql:headers';
const TYPED = ['graphiql:query', 'graphiql:variables'];

/** The storage that GraphiQL uses. @param {Storage} [kept] */
export function withoutHeaders(kept = localStorage) {
  const own = () => Object.keys(kept).filter((name) => name.startsWith('graphiql:'));
  const storage = {
    getItem: (name) => kept.getItem(name),
    setItem: (name, value) => {
      if (name !== HEADERS) kept.setItem(name, TYPED.includes(name) ? value : stripped(value));
    },
    removeItem: (name) => kept.removeItem(name),
    clear: () => own().forEach((name) => kept.removeItem(name)),
    get length() { return own().length; },
  };
  // Earlier versions stored headers.
  kept.removeItem(HEADERS);
  for (const name of own()) storage.setItem(name, kept.getItem(name));
  return storage;
}

/** Returns a value, without its members `headers` if it is JSON. @param {string} value */
function stripped(value) {
  if (!value.includes('"headers"')) return value;
  try {
    return JSON.stringify(JSON.parse(value), (name, member) => (name === 'headers' ? null : member));
  } catch {
    return value;
  }
}
