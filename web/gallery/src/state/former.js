import { ADD_LABELS, CONFIRM_LABELS, REMOVE_LABELS, RESET_LABELS } from '../api/operations-on-demand.js';

/** @param {string} name */
const folded = (name) => name.toLowerCase();

/**
 * Returns the label with this name; its case is ignored.
 * @template {{name: string}} L
 * @param {L[] | null} labels
 * @param {string} name
 */
export const labelOf = (labels, name) => labels?.find((each) => folded(each.name) === folded(name));

/** Tells whether labels, or names of labels, contain a name. @param {(string | {name: string})[] | null} labels @param {string} name */
export const has = (labels, name) => labelOf((labels ?? []).map((each) => (typeof each === 'string' ? { name: each } : each)), name) !== undefined;

/**
 * Returns the operation that brings back the present decision about a label of a picture.
 * @param {Pick<import('../types').Picture, 'labels' | 'rejectedLabels'>} picture
 * @param {string} name
 * @returns {{operation: string, variables: object}}
 */
export function formerOf({ labels, rejectedLabels }, name) {
  const label = labelOf(labels, name);
  if (has(rejectedLabels, name)) return { operation: REMOVE_LABELS, variables: { names: [name] } };
  if (label?.source === 'OWNER') {
    const boxes = label.instances.map(({ boundingBox }) => boundingBox);
    const added = boxes.length ? boxes.map((boundingBox) => ({ name, boundingBox })) : [{ name }];
    return { operation: ADD_LABELS, variables: { labels: added } };
  }
  return { operation: label?.confirmedAt ? CONFIRM_LABELS : RESET_LABELS, variables: { names: [name] } };
}
