import { make } from './dom.js';
import { described, isSuggestion, named, percent, STATUS, telling, title } from './words.js';

const GAP = 12;
const SMALLEST = 150;
const LARGEST = 210;
const CAPTION = 58;
const ROWS_BEYOND = 2;
const FLYING = 0.5; // scrolled window heights between two frames
const LANDING = 100; // milliseconds

/** A virtual grid: only tiles in or near the visible part are in the document. */
export class Grid {
  /**
   * Shows `collection`. `onNeed` receives the visible keys; `onEnd` is called near the end, and
   * `onBroken` with the key of a picture that did not load.
   */
  constructor(element, collection, { onNeed, onEnd, onBroken }) {
    this.element = element;
    this.collection = collection;
    this.onNeed = onNeed;
    this.onEnd = onEnd;
    this.onBroken = onBroken;
    this.tiles = new Map();
    this.current = null; // the tile in the tab order
    this.lastY = scrollY;
    this.planned = false;
    const again = () => this.plan();
    addEventListener('scroll', again, { passive: true });
    new ResizeObserver(again).observe(element);
    element.addEventListener('keydown', (event) => this.#move(event));
    element.addEventListener('focusin', ({ target }) => {
      const key = target.closest('[data-key]')?.dataset.key;
      if (key) this.#setCurrent(key);
    });
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

  /** Redraws a tile at the next frame, if it is visible. */
  touch(key) {
    const tile = this.tiles.get(key);
    if (tile) tile.stale = true;
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
    const focused = document.activeElement?.closest?.('[data-key]')?.dataset.key;
    if (focused && !wanted.has(focused)) {
      const place = order.indexOf(focused);
      if (place >= 0) wanted.set(focused, place); // keeps the focus
    }
    for (const [key, tile] of this.tiles) {
      if (wanted.has(key)) continue;
      tile.image.removeAttribute('src'); // cancels the request in favour of visible tiles
      tile.element.remove();
      this.tiles.delete(key);
    }
    if (!wanted.has(this.current)) this.current = order[first] ?? null;
    for (const [key, place] of wanted) {
      const tile = this.#tile(key);
      const { style } = tile.element;
      style.width = `${side}px`;
      style.transform = `translate(${(place % columns) * (side + GAP)}px, ${Math.floor(place / columns) * row}px)`;
      tile.element.setAttribute('aria-posinset', place + 1);
      tile.element.setAttribute('aria-setsize', this.collection.complete ? order.length : -1);
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

  #made(key) {
    const image = make('img', { alt: '', decoding: 'async', draggable: false });
    const name = make('span', { className: 'name' });
    const more = make('span', { className: 'more' });
    const bar = make('progress', { max: 1, value: 0, hidden: true, 'aria-hidden': 'true' });
    const link = make('a', { className: 'tile' }, make('span', { className: 'frame' }, image, bar), name, more);
    const element = make('div', { role: 'listitem', className: 'place' }, link);
    element.dataset.key = key;
    image.addEventListener('load', () => image.classList.add('there'));
    image.addEventListener('error', () => {
      image.classList.remove('there');
      const item = this.collection.get(key);
      if (item?.upload?.preview) {
        item.upload.preview = null; // a type that the browser can't show
        this.touch(key);
      } else this.onBroken(key);
    });
    return { element, link, image, name, more, bar, stale: true };
  }

  #fill(tile, item) {
    tile.stale = false;
    const { link, image, name, more, bar } = tile;
    const { blob, upload } = item ?? {};
    const source = upload?.preview ?? (blob?.labels ? (blob.thumbnailUrl ?? blob.downloadUrl) : null);
    if (source && !this.flying && image.dataset.of !== pathOf(source)) {
      image.dataset.of = pathOf(source); // a new signature, the same picture
      image.classList.remove('there');
      image.src = source;
    }
    const sending = upload && upload.progress < 1 && !upload.problem;
    bar.hidden = !sending;
    bar.value = upload?.progress ?? 0;
    const state = upload?.problem ? 'failed' : (blob?.failure && 'failed') || (blob?.labels ? 'done' : 'busy');
    link.dataset.state = item ? state : 'unknown';
    link.classList.toggle('unsure', Boolean(blob?.labels?.length) && blob.labels.every(isSuggestion));
    if (blob) link.href = `#/picture/${encodeURIComponent(blob.id)}`;
    else link.removeAttribute('href');
    const [first, ...others] = telling(blob?.labels ?? []);
    if (upload?.problem) {
      name.textContent = upload.name;
      more.textContent = upload.problem;
    } else if (sending || !blob) {
      name.textContent = upload?.name ?? '';
      more.textContent = upload ? (upload.progress > 0 ? `Sent ${percent(upload.progress * 100)}` : 'Waiting') : '';
    } else if (first) {
      name.textContent = `${named(first)} ${percent(first.confidence)}`;
      more.textContent = others.filter((each) => isSuggestion(each) === isSuggestion(first)).slice(0, 2).map((each) => `${each.name} ${percent(each.confidence)}`).join(', ');
    } else {
      name.textContent = title(blob);
      more.textContent = blob.failure ? described(blob).replace(`${STATUS.FAILED}: `, '') : (upload?.name ?? '');
    }
    link.setAttribute('aria-label', [name.textContent, more.textContent].filter(Boolean).join(', ') || 'Picture');
  }

  #setCurrent(key) {
    const before = this.tiles.get(this.current);
    if (before) before.link.tabIndex = -1;
    this.current = key;
    const now = this.tiles.get(key);
    if (now) now.link.tabIndex = 0;
  }

  #move(event) {
    const { order } = this.collection;
    const { columns, row } = this.#layout();
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const place = order.indexOf(this.current);
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

  /** Puts the focus on a picture's tile, if it is in view. */
  focus(key) {
    this.tiles.get(key)?.link.focus();
  }
}

function pathOf(source) {
  return source.startsWith('blob:') ? source : source.split('?')[0];
}
