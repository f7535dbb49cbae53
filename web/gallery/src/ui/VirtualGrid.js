import { headingsOf } from '../text/days.js';
import { columnsOf, extendRows, placeAfter, rowAt, rowOfPlace } from './layout.js';
import { make } from './make.js';
import { listenToSelection } from './picking.js';
import { ScrollSpeed } from './ScrollSpeed.js';
import { fillTile, keyAround, makeTile } from './tile.js';

const BEYOND = 500; // pixels above and below the visible part
const HEADER = 80; // pixels that the top of the page covers
const READING = 200; // pixels from the top

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {import('./layout.js').Row} Row */

/** A virtual grid: only rows in or near the visible part are in the document. */
export class VirtualGrid {
  /**
   * Shows `collection`. `onNeed` receives the visible keys; `onEnd` is called near the end, `onBroken` with
   * the key of a picture that did not load, and `onSettled` with that of one whose preview is not shown.
   * @param {HTMLElement} element
   * @param {import('../state/collection.js').Collection} collection
   * @param {import('../state/selection.js').Selection} selection
   * @param {{
   *   onNeed: (keys: string[]) => void,
   *   onEnd: () => void,
   *   onBroken: (key: string) => void,
   *   onSettled: (key: string) => void,
   * }} listeners
   */
  constructor(element, collection, selection, { onNeed, onEnd, onBroken, onSettled }) {
    this.element = element;
    this.collection = collection;
    this.selection = selection;
    this.onNeed = onNeed;
    this.onEnd = onEnd;
    this.onBroken = onBroken;
    this.onSettled = onSettled;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** The drawn rows by their numbers. @type {Map<number, HTMLElement>} */
    this.lines = new Map();
    /** @type {Row[]} */
    this.rows = [];
    this.height = 0;
    this.columns = columnsOf(0);
    this.known = { shuffles: -1, length: 0 }; // the order that the rows belong to
    /** The tile in the tab order. @type {string | null} */
    this.current = null;
    this.speed = new ScrollSpeed(scrollY, () => this.plan());
    this.planned = false;
    /** Whether more than the scroll position changed since the last drawing. */
    this.changed = true;
    this.drawn = { first: -1, last: -1 }; // numbers of rows
    this.end = new AbortController();
    const { signal } = this.end;
    addEventListener('scroll', () => this.#scrolled(), { passive: true, signal });
    this.resizes = new ResizeObserver(() => this.plan());
    this.resizes.observe(element);
    element.addEventListener('keydown', (event) => this.#move(event), { signal });
    element.addEventListener('focusin', ({ target }) => this.#setCurrent(keyAround(target)), { signal });
    listenToSelection(element, selection, signal);
    this.unsubscribe = selection.keys.subscribe(() => this.plan());
  }

  /** Ends the listeners outside the element. */
  stop() {
    this.end.abort();
    this.unsubscribe();
    this.resizes.disconnect();
  }

  /** Tells whether a new picture above would shift what the user looks at. */
  isScrolled() {
    return scrollY > READING;
  }

  #scrolled() {
    if (scrollY === 0 && this.collection.search.value.order === 'NEWEST') this.collection.admit();
    this.#request();
  }

  /** Draws all at the next frame. */
  plan() {
    this.changed = true;
    this.#request();
  }

  #request() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      if (this.element.clientWidth) this.#draw();
    });
  }

  /** Redraws a tile at the next frame, if it is visible. @param {string} key */
  touch(key) {
    const tile = this.tiles.get(key);
    if (tile) tile.stale = true;
    else this.onSettled(key);
    this.plan();
  }

  /** Computes the rows; at most those of new pictures at the end, where it can. */
  #layout() {
    const { order, shuffles } = this.collection;
    const columns = columnsOf(this.element.clientWidth);
    const same = columns.columns === this.columns.columns && columns.side === this.columns.side;
    if (!same || shuffles !== this.known.shuffles) this.rows = [];
    else if (order.length === this.known.length) return;
    this.columns = columns;
    this.known = { shuffles, length: order.length };
    this.height = extendRows(this.rows, headingsOf(this.collection), order.length, columns);
  }

  #resize() {
    this.#layout();
    const { complete } = this.collection;
    this.element.style.height = `${this.height}px`;
    if (this.rows.length) this.element.setAttribute('aria-rowcount', String(complete.value ? this.rows.length : -1));
    else this.element.removeAttribute('aria-rowcount'); // it is not a grid then
  }

  /** Draws the rows in and near the visible part: after scrolling alone, only those that were not drawn. */
  #draw() {
    const { changed } = this;
    this.changed = false;
    if (changed) this.#resize();
    this.speed.note(scrollY, innerHeight);
    const { rows } = this;
    const { order } = this.collection;
    const top = -this.element.getBoundingClientRect().top;
    const first = rowAt(rows, top - BEYOND);
    const last = rowAt(rows, top + innerHeight + BEYOND);
    if (!changed && first === this.drawn.first && last === this.drawn.last) return;
    this.drawn = { first, last };
    const wanted = new Set(Array.from({ length: rows.length ? last - first + 1 : 0 }, (_, index) => first + index));
    const focused = keyAround(document.activeElement);
    const place = focused === undefined || !this.element.contains(document.activeElement) ? -1 : this.#placeNear(focused);
    if (place >= 0) wanted.add(rowOfPlace(rows, place)); // keeps the focus
    const numbers = [...wanted].sort((one, other) => one - other);
    const keys = numbers.flatMap((number) => order.slice(rows[number].first, rows[number].first + rows[number].count));
    this.#clear(new Set(keys), wanted);
    if (!keys.includes(this.current ?? '')) this.#setCurrent(keys[0]);
    numbers.forEach((number, index) => {
      if (changed || !this.lines.has(number)) this.#drawRow(number, index);
    });
    if (place >= 0 && keyAround(document.activeElement) !== order[place]) this.#link(order[place])?.focus({ preventScroll: true });
    this.collection.forget(rows[first]?.first ?? 0);
    this.onNeed(keys);
    if (last >= rows.length - 3) this.onEnd();
  }

  /** Returns the place of a drawn picture; of its successor, where it was removed. @param {string} key */
  #placeNear(key) {
    const { order } = this.collection;
    const place = order.indexOf(key);
    return place < 0 ? Math.min(Number(this.tiles.get(key)?.element.dataset.place), order.length - 1) : place;
  }

  /** Removes the rows and tiles that are not wanted. @param {Set<string>} keys @param {Set<number>} numbers */
  #clear(keys, numbers) {
    for (const [key, tile] of this.tiles) {
      if (keys.has(key)) continue;
      tile.image.removeAttribute('src'); // cancels the request in favour of visible tiles
      tile.element.remove();
      this.tiles.delete(key);
      this.onSettled(key);
    }
    for (const [number, line] of this.lines) {
      if (numbers.has(number)) continue;
      line.remove();
      this.lines.delete(number);
    }
  }

  /** @param {number} number @param {number} index the place among the drawn rows */
  #drawRow(number, index) {
    const { top, first, count, heading } = this.rows[number];
    const line = this.#line(number);
    const isFirst = top < innerHeight; // what the page opens with
    if (this.element.children[index] !== line) this.element.insertBefore(line, this.element.children[index] ?? null);
    line.style.transform = `translateY(${top}px)`;
    line.classList.toggle('heading', count === 0);
    if (!count) {
      if (line.textContent !== heading) line.replaceChildren(make('div', { role: 'rowheader' }, make('h3', {}, heading)));
      return;
    }
    const { side, gap } = this.columns;
    const keys = this.collection.order.slice(first, first + count);
    keys.forEach((key, column) => {
      const tile = this.#tile(key, isFirst);
      const { element, link } = tile;
      if (line.children[column] !== element) line.insertBefore(element, line.children[column] ?? null);
      element.style.width = `${side}px`;
      element.style.transform = `translateX(${column * (side + gap)}px)`;
      element.setAttribute('aria-selected', String(this.selection.keys.value.has(key)));
      element.dataset.place = String(first + column);
      link.tabIndex = key === this.current ? 0 : -1;
    });
    while (line.children.length > count) line.lastElementChild?.remove(); // a heading that was here
  }

  /** @param {number} number */
  #line(number) {
    let line = this.lines.get(number);
    if (!line) {
      line = make('div', { role: 'row', className: 'line', 'aria-rowindex': String(number + 1) });
      this.lines.set(number, line);
    }
    return line;
  }

  /** @param {string} key @param {boolean} isFirst */
  #tile(key, isFirst) {
    let tile = this.tiles.get(key);
    if (!tile) {
      tile = makeTile(key, isFirst, { onShown: () => this.onSettled(key), onBroken: () => this.#broken(key) });
      this.tiles.set(key, tile);
    }
    const meant = this.collection.meant.value;
    if (tile.stale || tile.meant !== meant) fillTile(tile, this.collection.get(key), this.speed.fast, meant);
    return tile;
  }

  /** @param {string} key */
  #broken(key) {
    const upload = this.collection.get(key)?.upload;
    if (!upload?.preview) {
      this.onBroken(key);
      return;
    }
    URL.revokeObjectURL(upload.preview);
    upload.preview = null; // a type that the browser can't show
    this.touch(key);
  }

  /** @param {string} key */
  #link(key) {
    return this.tiles.get(key)?.link;
  }

  /** @param {string | undefined} key */
  #setCurrent(key) {
    if (key === undefined) return;
    const before = this.#link(this.current ?? '');
    if (before) before.tabIndex = -1;
    this.current = key;
    const now = this.#link(key);
    if (now) now.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { order } = this.collection;
    const place = order.indexOf(this.current ?? '');
    const next = placeAfter(this.rows, place, event.key, order.length);
    if (next === undefined) return;
    event.preventDefault();
    if (event.shiftKey) {
      this.selection.anchor ??= order[place];
      this.selection.extend(order[next]);
    }
    const { top } = this.rows[rowOfPlace(this.rows, next)];
    const start = this.element.getBoundingClientRect().top + scrollY + top;
    if (start < scrollY + HEADER) scrollTo({ top: start - HEADER });
    else if (start + this.columns.row > scrollY + innerHeight) scrollTo({ top: start + this.columns.row - innerHeight });
    this.#setCurrent(order[next]);
    this.#draw();
    this.#link(order[next])?.focus({ preventScroll: true });
  }

  /** Returns the keys of the tiles in or near the visible part. */
  visible() {
    return [...this.tiles.keys()];
  }

  /** Puts the focus on the tile in the tab order. */
  focusCurrent() {
    this.#link(this.current ?? '')?.focus();
  }

  /** Puts the focus on a picture's tile, if it is in view. @param {string} key */
  focus(key) {
    this.#link(key)?.focus();
  }
}
