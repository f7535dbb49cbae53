const OTHER = 'Other labels';

/** @typedef {{name: string, blobCount: number, categories: string[], cover: import('../types').Tile | null}} Entry */

/** Returns the labels by their first category, the largest first; those without one come last. @param {Entry[]} labels @returns {[string, Entry[]][]} */
export function byCategory(labels) {
  /** @type {Map<string, Entry[]>} */
  const found = new Map();
  for (const each of labels) {
    const category = each.categories[0] ?? OTHER;
    found.set(category, [...(found.get(category) ?? []), each]);
  }
  const size = (/** @type {[string, Entry[]]} */ [category, entries]) => (category === OTHER ? -1 : Math.max(...entries.map(({ blobCount }) => blobCount)));
  return [...found].sort((one, other) => size(other) - size(one));
}
