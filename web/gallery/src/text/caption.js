import { failureText, isSuggestion, named, percent, telling, title } from './words.js';

/**
 * Returns what a tile says of its picture: two lines, the state for its style, and whether the first is a suggestion.
 * `meant` has the labels searched for: they come first, unless a kind of them tells more.
 * @param {import('../types').Item | undefined} item
 * @param {Map<string, string | null>} [meant]
 * @returns {{name: string, more: string, state: 'unknown' | 'failed' | 'done' | 'busy', unsure: boolean}}
 */
export function captionOf(item, meant) {
  if (!item) return { name: '', more: '', state: 'unknown', unsure: false };
  const { blob, upload, name = '' } = item;
  if (upload?.problem) return { name: upload.name, more: upload.problem, state: 'failed', unsure: false };
  if (upload && (upload.progress < 1 || !blob)) return { name: upload.name, more: sent(upload), state: 'busy', unsure: false };
  if (!blob) return { name, more: '', state: 'busy', unsure: false };
  const state = blob.failure ? 'failed' : blob.labels ? 'done' : 'busy';
  const labels = blob.labels ?? [];
  const ordered = telling(labels);
  const searched = [...(meant?.values() ?? [])];
  const asked = ordered.filter(({ name: each }) => searched.includes(each) && !ordered[0].parents.includes(each));
  const [first, ...others] = new Set([...asked, ...ordered]);
  const file = blob.fileName ?? name;
  if (blob.failure) return { name: file || title(blob), more: failureText(blob.failure), state, unsure: false };
  if (!first) return { name: title(blob), more: file, state, unsure: false };
  const alike = others.filter((each) => isSuggestion(first) || !isSuggestion(each)).slice(0, 2);
  return {
    name: `${named(first)} ${percent(first.confidence)}`,
    more: alike.map((each) => `${each.name} ${percent(each.confidence)}`).join(', '),
    state,
    unsure: isSuggestion(first),
  };
}

/** @param {import('../types').Upload} upload */
const sent = ({ progress }) => (progress > 0 ? `Sent ${percent(progress * 100)}` : 'Waiting');
