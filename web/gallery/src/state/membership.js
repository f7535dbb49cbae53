import { startOf } from '../text/search.js';

/**
 * Tells whether a picture meets a search, without asking the API.
 * `meant` has the label that each name of the search means.
 * @param {import('../types').Tile} blob
 * @param {import('../types').Search} search
 * @param {Map<string, string | null>} meant
 */
export function belongs(blob, { labels, least, status, type, confirmed, from, to }, meant) {
  if (status === 'NOTHING' ? blob.status !== 'LABELLED' || blob.labels?.length : status && blob.status !== status) return false;
  if (type && blob.contentType !== type) return false;
  const isMeant = (/** @type {import('../types').Label} */ { confirmedAt }) => !confirmed || (confirmed === 'yes') === Boolean(confirmedAt);
  if (confirmed && !labels.length && !(confirmed === 'yes' ? blob.labels?.some(isMeant) : blob.labels?.every(isMeant))) return false;
  const created = new Date(blob.createdAt);
  if (from && created < startOf(from, 0)) return false;
  if (to && created >= startOf(to, 1)) return false;
  const carried = new Set(
    (blob.labels ?? []).filter((label) => label.confidence >= least && isMeant(label)).map(({ name }) => name.toLowerCase()),
  );
  return labels.every((label) => carried.has((meant.get(label) ?? label).toLowerCase()));
}
