import { LABELS } from '../api/operations.js';

const MOST = 3;

/**
 * Returns labels in use that are spelled like a name that none has: the nearest first.
 * @param {import('../api/client.js').Client} client
 * @param {string} name
 * @returns {Promise<string[]>}
 */
export async function nearestLabels(client, name) {
  const wanted = name.toLowerCase();
  // With a wrong first letter the labels most in use are compared.
  const answers = await Promise.all([...new Set([wanted.slice(0, 3), wanted.slice(0, 1), ''])].map((prefix) => client.ask(LABELS, { prefix })));
  const names = answers.flatMap(({ labels }) => labels.edges.map((/** @type {any} */ { node }) => node.name));
  const limit = Math.max(2, Math.floor(wanted.length / 2));
  return [...new Set(names)]
    .map((each) => ({ each, distance: distanceOf(wanted, each.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((one, other) => one.distance - other.distance)
    .slice(0, MOST)
    .map(({ each }) => each);
}

/** Returns how many letters must be added, removed or replaced (Levenshtein). A part of a label has the distance 1. @param {string} one @param {string} other */
export function distanceOf(one, other) {
  if (one.length > 2 && (other.includes(one) || one.includes(other))) return 1;
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[other.length];
}
