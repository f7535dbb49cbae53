// Where the tiles and headings of the grid are. Lengths are pixels.
const GAP = 12;
const SMALLEST = 150;
const LARGEST = 210;
const CAPTION = 58;
const HEADING = 52;

/** @typedef {{columns: number, side: number, row: number, gap: number}} Columns */
/** A row of tiles from `first` in the order, or a heading. @typedef {{top: number, first: number, count: number, heading: string}} Row */

/** Returns the columns of a grid. @param {number} width @returns {Columns} */
export function columnsOf(width) {
  const least = Math.min(LARGEST, Math.max(SMALLEST, width / 7));
  const columns = Math.max(2, Math.floor((width + GAP) / (least + GAP)));
  const side = (width - (columns - 1) * GAP) / columns;
  return { columns, side, row: side + CAPTION + GAP, gap: GAP };
}

/**
 * Extends rows by the pictures that follow, and returns the height of all. Pictures with the same heading follow each
 * other; those with an empty one have no row for it.
 * @param {Row[]} rows of the first pictures, which are changed; empty at first
 * @param {(place: number) => string} headingAt returns the heading of a picture
 * @param {number} length the number of all pictures
 * @param {Columns} columns
 */
export function extendRows(rows, headingAt, length, { columns, row }) {
  const last = rows.pop(); // it may have room
  let { top, first } = last ?? { top: 0, first: 0 };
  let before = last ? headingAt(first) : '';
  while (first < length) {
    const heading = headingAt(first);
    if (heading !== before) {
      rows.push({ top, first, count: 0, heading });
      top += HEADING;
      before = heading;
    }
    let count = 1;
    while (count < columns && first + count < length && headingAt(first + count) === heading) count += 1;
    rows.push({ top, first, count, heading: '' });
    top += row;
    first += count;
  }
  return top;
}

/** Returns the number of the row at a height: of the last that begins at or above it. @param {Row[]} rows @param {number} y */
export function rowAt(rows, y) {
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (rows[middle].top <= y) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

/** Returns the number of the row that contains the picture at a place. @param {Row[]} rows @param {number} place */
export function rowOfPlace(rows, place) {
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (rows[middle].first <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Returns the place that an arrow key leads to from a place: in the rows above and below the same column, or the
 * nearest. Undefined beyond the ends, and for other keys.
 * @param {Row[]} rows
 * @param {number} place
 * @param {string} key
 * @param {number} length the number of pictures
 */
export function placeAfter(rows, place, key, length) {
  const inside = (/** @type {number} */ next) => (next >= 0 && next < length && next !== place ? next : undefined);
  if (key === 'ArrowLeft') return inside(place - 1);
  if (key === 'ArrowRight') return inside(place + 1);
  if (key === 'Home') return inside(0);
  if (key === 'End') return inside(length - 1);
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return undefined;
  const at = rowOfPlace(rows, place);
  const column = place - rows[at].first;
  const step = key === 'ArrowUp' ? -1 : 1;
  let next = at + step;
  while (rows[next] && !rows[next].count) next += step;
  return rows[next] && inside(rows[next].first + Math.min(column, rows[next].count - 1));
}
