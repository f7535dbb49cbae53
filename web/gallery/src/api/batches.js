/** The largest number of ids that one request takes. */
export const MAX_IDS = 100;

/** Returns ids in the parts of one request each. @param {string[]} ids */
export function batchesOf(ids) {
  return Array.from({ length: Math.ceil(ids.length / MAX_IDS) }, (_, part) => ids.slice(part * MAX_IDS, (part + 1) * MAX_IDS));
}
