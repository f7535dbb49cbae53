const MAX_LOADED = 2000; // pictures that are kept in memory
const LATER = '\u{10ffff}'; // follows all ids

/** @typedef {import('./collection.js').Collection} Collection */

/**
 * Returns the place of a picture in a collection. -1: it is older than all that are loaded, and more follow, so that a
 * later page has it.
 * @param {string} id
 * @param {Collection} collection
 */
export function placeOf(id, collection) {
  const { order, search, complete } = collection;
  const last = order.length ? collection.idOf(order[order.length - 1]) : undefined;
  if (search.value.order !== 'NEWEST' || !last) return 0;
  // Ids are in the order of creation; uploads without one are at the front.
  const place = order.findIndex((key) => (collection.idOf(key) ?? LATER) < id);
  if (place >= 0) return place;
  return complete.value ? order.length : -1;
}

/** Returns the id of the picture `by` places after this one; undefined beyond the ends, and where this one is not listed. @param {string} id @param {number} by @param {Collection} collection */
export function besideOf(id, by, collection) {
  const { order } = collection;
  const from = order.indexOf(collection.keyOf(id));
  if (from < 0) return undefined;
  for (let place = from + by; place >= 0 && place < order.length; place += by) {
    const found = collection.idOf(order[place]);
    if (found) return found;
  }
  return undefined;
}

/** Returns the keys of loaded pictures that are far from a place, when there are many. @param {number} place @param {Collection} collection @returns {string[]} */
export function farFrom(place, { items, order }) {
  if (items.size <= MAX_LOADED) return [];
  const near = new Set(order.slice(Math.max(0, place - MAX_LOADED / 4), place + MAX_LOADED / 2));
  return [...items].flatMap(([key, { upload }]) => (near.has(key) || upload ? [] : [key]));
}

/** Returns the ids of those pictures that are not loaded or were loaded before a time. @param {number} time @param {string[]} keys @param {Collection} collection @returns {string[]} */
export function knownBefore(time, keys, collection) {
  return keys.flatMap((key) => {
    const item = collection.items.get(key);
    return !item || (item.blob && item.at < time) ? (collection.idOf(key) ?? []) : [];
  });
}
