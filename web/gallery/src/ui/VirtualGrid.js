import { pictureHash } from '../router.js';
import { captionOf } from '../text/caption.js';
import { make } from './make.js';

const GAP = 12;
const SMALLEST = 150;
const LARGEST = 210;
const CAPTION = 58;
const ROWS_BEYOND = 2;
const FLYING = 0.5; // scrolled window heights between two frames
const LANDING = 100; // milliseconds
const READING = 200; // pixels from the top

/** @typedef {import('../types').Item} Item */
/**
 * @typedef {{
 *   element: HTMLElement, link: HTMLAnchorElement, image: HTMLImageElement, name: HTMLElement, more: HTMLElement,
 *   bar: HTMLProgressElement, stale: boolean, place: number,
 * }} Tile
 */

/** A virtual grid: only tiles in or near the visible part are in the document. */
export class VirtualGrid {
  /**
   * Shows `collection`. `onNeed` receives the visible keys; `onEnd` is called near the end, `onBroken` with
   * the key of a picture that did not load, and `onSettled` with that of one whose preview is not shown.
   * @param {HTMLElement} element
   * @param {import('../state/collection.js').Collection} collection
   * @param {{
   *   onNeed: (keys: string[]) => void,
   *   onEnd: () => void,
   *   onBroken: (key: string) => void,
   *   onSettled: (key: string) => void,
   * }} listeners
   */
  constructor(element, collection, { onNeed, onEnd, onBroken, onSettled }) {
    this.element = element;
    this.collection = collection;
    this.onNeed = onNeed;
    this.onEnd = onEnd;
    this.onBroken = onBroken;
    this.onSettled = onSettled;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** The tile in the tab order. @type {string | null} */
    this.current = null;
    this.lastY = scrollY;
    this.planned = false;
    this.flying = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.landing = undefined;
    const again = () => this.plan();
    this.end = new AbortController();
    addEventListener('scroll', () => this.#scrolled(), { passive: true, signal: this.end.signal });
    this.resizes = new ResizeObserver(again);
    this.resizes.observe(element);
    element.addEventListener('keydown', (event) => this.#move(event));
    element.addEventListener('focusin', ({ target }) => {
      const key = keyAround(/** @type {Element} */ (target));
      if (key) this.#setCurrent(key);
    });
  }

  /** Ends the listeners outside the element. */
  stop() {
    this.end.abort();
    this.resizes.disconnect();
  }

  /** Tells whether a new picture above would shift what the user looks at. */
  isScrolled() {
    return scrollY > READING;
  }

  #scrolled() {
    if (scrollY === 0) this.collection.admit();
    this.plan();
  }

  /** Draws at the next frame. */
  plan() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      this.#draw();
    });
  }

  /** Redraws a tile at the next frame, if it is visible. @param {string} key */
  touch(key) {
    const tile = this.tiles.get(key);
    if (tile) tile.stale = true;
    else this.onSettled(key);
    this.plan();
  }

  #layout() {
    const width = this.element.clientWidth;
    const least = Math.min(LARGEST, Math.max(SMALLEST, width / 7));
    const columns = Math.max(2, Math.floor((width + GAP) / (least + GAP)));
    const side = (width - (columns - 1) * GAP) / columns;
    return { columns, side, row: side + CAPTION + GAP };
  }

  #draw() {
    const { order } = this.collection;
    const { columns, side, row } = this.#layout();
    this.#judgeSpeed();
    this.element.style.height = `${Math.ceil(order.length / columns) * row}px`;
    const top = scrollY - (this.element.getBoundingClientRect().top + scrollY);
    const first = Math.max(0, Math.floor(top / row) - ROWS_BEYOND) * columns;
    const last = Math.min(order.length, (Math.ceil((top + innerHeight) / row) + ROWS_BEYOND) * columns);
    const wanted = new Map();
    for (let place = first; place < last; place += 1) wanted.set(order[place], place);
    const focused = keyAround(document.activeElement);
    if (focused && !wanted.has(focused)) {
      const place = order.indexOf(focused);
      if (place >= 0) wanted.set(focused, place); // keeps the focus
    }
    for (const [key, tile] of this.tiles) {
      if (wanted.has(key)) continue;
      tile.image.removeAttribute('src'); // cancels the request in favour of visible tiles
      tile.element.remove();
      this.tiles.delete(key);
      this.onSettled(key);
    }
    if (!wanted.has(this.current ?? '')) this.current = order[first] ?? null;
    for (const [key, place] of wanted) {
      const tile = this.#tile(key);
      const { style } = tile.element;
      style.width = `${side}px`;
      style.transform = `translate(${(place % columns) * (side + GAP)}px, ${Math.floor(place / columns) * row}px)`;
      tile.element.setAttribute('aria-posinset', String(place + 1));
      tile.element.setAttribute('aria-setsize', String(this.collection.complete.value ? order.length : -1));
      tile.link.tabIndex = key === this.current ? 0 : -1;
      tile.place = place;
    }
    this.#sort();
    this.collection.forget(first);
    this.onNeed(order.slice(first, last));
    if (last >= order.length - 3 * columns) this.onEnd();
  }

  /** Stops loading pictures during fast scrolling. */
  #judgeSpeed() {
    this.flying = Math.abs(scrollY - this.lastY) > FLYING * innerHeight;
    this.lastY = scrollY;
    clearTimeout(this.landing);
    if (this.flying) {
      this.landing = setTimeout(() => {
        for (const tile of this.tiles.values()) tile.stale = true;
        this.plan();
      }, LANDING);
    }
  }

  /** Sorts the tiles in the document by place: screen readers follow that order. */
  #sort() {
    const tiles = [...this.tiles.values()].sort((one, other) => one.place - other.place);
    tiles.forEach(({ element }, index) => {
      if (this.element.children[index] !== element) {
        // Moving the tile that has the focus would lose it.
        if (element.contains(document.activeElement)) return;
        this.element.insertBefore(element, this.element.children[index] ?? null);
      }
    });
  }

  /** @param {string} key */
  #tile(key) {
    let tile = this.tiles.get(key);
    if (!tile) {
      tile = this.#made(key);
      this.tiles.set(key, tile);
      this.element.append(tile.element);
    }
    if (tile.stale) this.#fill(tile, this.collection.get(key));
    return tile;
  }

  /** @param {string} key @returns {Tile} */
  #made(key) {
    const image = make('img', { alt: '', decoding: 'async', draggable: false });
    const name = make('span', { className: 'name' });
    const more = make('span', { className: 'more' });
    const bar = make('progress', { max: 1, value: 0, hidden: true, 'aria-hidden': 'true' });
    const link = make('a', { className: 'tile' }, make('span', { className: 'frame' }, image, bar), name, more);
    const element = make('div', { role: 'listitem', className: 'place' }, link);
    element.dataset.key = key;
    image.addEventListener('load', () => {
      image.classList.add('there');
      if (!image.src.startsWith('blob:')) this.onSettled(key);
    });
    image.addEventListener('error', () => {
      image.classList.remove('there');
      const item = this.collection.get(key);
      if (item?.upload?.preview) {
        URL.revokeObjectURL(item.upload.preview);
        item.upload.preview = null; // a type that the browser can't show
        this.touch(key);
      } else this.onBroken(key);
    });
    return { element, link, image, name, more, bar, stale: true, place: 0 };
  }

  /** @param {Tile} tile @param {Item | undefined} item */
  #fill(tile, item) {
    tile.stale = false;
    const { link, image, name, more, bar } = tile;
    const { blob, upload } = item ?? {};
    const source = (blob?.labels ? (blob.thumbnailUrl ?? blob.downloadUrl) : null) ?? upload?.preview;
    if (source && !this.flying && image.dataset.of !== pathOf(source)) {
      image.dataset.of = pathOf(source); // a new signature, the same picture
      image.src = source; // the browser shows the former until this one is loaded
    }
    bar.hidden = !upload || upload.progress >= 1 || upload.problem !== null;
    bar.value = upload?.progress ?? 0;
    const caption = captionOf(item);
    link.dataset.state = caption.state;
    link.classList.toggle('unsure', caption.unsure);
    if (blob) link.href = pictureHash(blob.id);
    else link.removeAttribute('href');
    name.textContent = caption.name;
    more.textContent = caption.more;
    link.setAttribute('aria-label', [caption.name, caption.more].filter(Boolean).join(', ') || 'Picture');
  }

  /** @param {string} key */
  #setCurrent(key) {
    const before = this.tiles.get(this.current ?? '');
    if (before) before.link.tabIndex = -1;
    this.current = key;
    const now = this.tiles.get(key);
    if (now) now.link.tabIndex = 0;
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const { order } = this.collection;
    const { columns, row } = this.#layout();
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const place = order.indexOf(this.current ?? '');
    let next;
    if (event.key in steps) next = place + steps[event.key];
    else if (event.key === 'Home') next = 0;
    else if (event.key === 'End') next = order.length - 1;
    else return;
    if (event.altKey || event.ctrlKey || event.metaKey || next < 0 || next >= order.length) return;
    event.preventDefault();
    const start = this.element.getBoundingClientRect().top + scrollY;
    const top = start + Math.floor(next / columns) * row;
    if (top < scrollY + 80) scrollTo({ top: top - 80 });
    else if (top + row > scrollY + innerHeight) scrollTo({ top: top + row - innerHeight });
    this.#setCurrent(order[next]);
    this.#draw();
    this.tiles.get(order[next])?.link.focus({ preventScroll: true });
  }

  /** Returns the keys of the tiles in or near the visible part. */
  visible() {
    return [...this.tiles.keys()];
  }

  /** Puts the focus on a picture's tile, if it is in view. @param {string} key */
  focus(key) {
    this.tiles.get(key)?.link.focus();
  }
}

/** @param {string} source */
function pathOf(source) {
  return source.startsWith('blob:') ? source : source.split('?')[0];
}

/** Returns the key of the tile that contains an element. @param {Element | null} element */
function keyAround(element) {
  return /** @type {HTMLElement | null | undefined} */ (element?.closest('[data-key]'))?.dataset.key;
}
