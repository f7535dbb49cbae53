import { pictureHash } from '../router.js';
import { captionOf } from '../text/caption.js';
import { make } from './make.js';

/** @typedef {import('../types').Item} Item */
/**
 * @typedef {{
 *   element: HTMLElement, link: HTMLAnchorElement, image: HTMLImageElement, name: HTMLElement, more: HTMLElement,
 *   bar: HTMLProgressElement, stale: boolean, meant: Map<string, string | null> | null,
 * }} Tile
 */

/**
 * Creates a tile: a cell of the grid. `onShown` is called when its image is loaded from the service, and `onBroken`
 * when it can't be loaded. The image of a `first` one is requested before others.
 * @param {string} key
 * @param {boolean} first
 * @param {{onShown: () => void, onBroken: () => void}} listeners
 * @returns {Tile}
 */
export function makeTile(key, first, { onShown, onBroken }) {
  const image = make('img', { alt: '', decoding: 'async', draggable: false, fetchPriority: first ? 'high' : 'auto' });
  const name = make('span', { className: 'name' });
  const more = make('span', { className: 'more' });
  const bar = make('progress', { max: 1, value: 0, hidden: true, 'aria-hidden': 'true' });
  const link = make('a', { className: 'tile', draggable: false }, make('span', { className: 'frame' }, image, bar), name, more);
  const pick = make('span', { className: 'pick', 'aria-hidden': 'true' }, '✓');
  const element = make('div', { role: 'gridcell', className: 'place' }, link, pick);
  element.dataset.key = key;
  image.addEventListener('load', () => {
    image.classList.add('there');
    image.hidden = false;
    if (!image.src.startsWith('blob:')) onShown();
  });
  image.addEventListener('error', () => {
    image.classList.remove('there');
    image.hidden = true; // with the browser's sign of a broken image
    onBroken();
  });
  return { element, link, image, name, more, bar, stale: true, meant: null };
}

/** Shows a picture in a tile; with `still`, its image is not loaded now, and the tile stays stale. `meant` has the labels searched for. @param {Tile} tile @param {Item | undefined} item @param {boolean} still @param {Map<string, string | null>} meant */
export function fillTile(tile, item, still, meant) {
  tile.stale = still;
  tile.meant = meant;
  const { link, image, name, more, bar } = tile;
  const { blob, upload } = item ?? {};
  const source = (blob?.labels ? (blob.thumbnailUrl ?? blob.downloadUrl) : null) ?? upload?.preview;
  if (source && !still && image.dataset.of !== pathOf(source)) {
    image.dataset.of = pathOf(source); // a new signature, the same picture
    image.src = source; // the browser shows the former until this one is loaded
  }
  bar.hidden = !upload || upload.progress >= 1 || upload.problem !== null;
  bar.value = upload?.progress ?? 0;
  const caption = captionOf(item, meant);
  link.dataset.state = caption.state;
  link.classList.toggle('unsure', caption.unsure);
  if (blob) link.href = pictureHash(blob.id);
  else link.removeAttribute('href');
  name.textContent = caption.name;
  more.textContent = caption.more;
  if (caption.name || caption.more) link.removeAttribute('aria-label'); // its text is its name
  else link.setAttribute('aria-label', 'Picture');
}

/** @param {string} source */
function pathOf(source) {
  return source.startsWith('blob:') ? source : source.split('?')[0];
}

/** Returns the key of the tile that contains an element. @param {EventTarget | null} element */
export function keyAround(element) {
  return /** @type {HTMLElement | null | undefined} */ (/** @type {Element | null} */ (element)?.closest?.('[data-key]'))?.dataset.key;
}
