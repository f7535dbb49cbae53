// What GraphiQL stores in the browser: tabs, history and settings, but never the headers, which may contain a key.

const HEADERS = 'graphiql:headers';
const WITH_HEADERS = ['graphiql:tabState', 'graphiql:queries', 'graphiql:favorites'];

/** The storage that GraphiQL uses. @param {Storage} [kept] */
export function withoutHeaders(kept = localStorage) {
  const own = () => Object.keys(kept).filter((name) => name.startsWith('graphiql:'));
  const storage = {
    getItem: (name) => kept.getItem(name),
    setItem: (name, value) => {
      if (name !== HEADERS) kept.setItem(name, WITH_HEADERS.includes(name) ? stripped(value) : value);
    },
    removeItem: (name) => kept.removeItem(name),
    clear: () => own().forEach((name) => kept.removeItem(name)),
    get length() { return own().length; },
  };
  // Earlier versions stored headers.
  kept.removeItem(HEADERS);
  for (const name of WITH_HEADERS.filter((each) => kept.getItem(each))) storage.setItem(name, kept.getItem(name));
  return storage;
}

/** Returns JSON without the values of its members `headers`. @param {string} json */
function stripped(json) {
  try {
    return JSON.stringify(JSON.parse(json), (name, value) => (name === 'headers' ? null : value));
  } catch {
    return '';
  }
}
