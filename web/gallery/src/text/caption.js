import { failureText, isSuggestion, named, percent, telling, title } from './words.js';

/**
 * Returns what a tile says of its picture: two lines, the state for its style, and whether it has suggestions alone.
 * @param {import('../types').Item | undefined} item
 * @returns {{name: string, more: string, state: 'unknown' | 'failed' | 'done' | 'busy', unsure: boolean}}
 */
export function captionOf(item) {
  if (!item) return { name: '', more: '', state: 'unknown', unsure: false };
  const { blob, upload, name = '' } = item;
  if (upload?.problem) return { name: upload.name, more: upload.problem, state: 'failed', unsure: false };
  if (upload && (upload.progress < 1 || !blob)) return { name: upload.name, more: sent(upload), state: 'busy', unsure: false };
  if (!blob) return { name, more: '', state: 'busy', unsure: false };
  const state = blob.failure ? 'failed' : blob.labels ? 'done' : 'busy';
  const labels = blob.labels ?? [];
  const [first, ...others] = telling(labels);
  const file = blob.fileName ?? name;
  if (blob.failure) return { name: file || title(blob), more: failureText(blob.failure), state, unsure: false };
  if (!first) return { name: title(blob), more: file, state, unsure: false };
  const alike = others.filter((each) => isSuggestion(each) === isSuggestion(first)).slice(0, 2);
  return {
    name: `${named(first)} ${percent(first.confidence)}`,
    more: alike.map((each) => `${each.name} ${percent(each.confidence)}`).join(', '),
    state,
    unsure: labels.every(isSuggestion),
  };
}

/** @param {import('../types').Upload} upload */
const sent = ({ progress }) => (progress > 0 ? `Sent ${percent(progress * 100)}` : 'Waiting');
