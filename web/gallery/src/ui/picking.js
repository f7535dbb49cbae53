import { keyAround } from './tile.js';

const LONG = 500; // milliseconds of a long press
const STILL = 10; // pixels that a finger may move in that time

/**
 * Listens to what selects tiles: Ctrl, Shift, the mark of a tile, Space, Ctrl+A and a long press. While something is
 * selected, a click selects too.
 * @param {HTMLElement} element
 * @param {import('../state/selection.js').Selection} selection
 * @param {AbortSignal} signal
 */
export function listenToSelection(element, selection, signal) {
  let pressed = false; // a long press selected the tile: the click that follows is not another one
  /** @type {{timer: ReturnType<typeof setTimeout>, x: number, y: number} | null} */
  let press = null;
  const release = () => {
    if (press) clearTimeout(press.timer);
    press = null;
  };
  /** @param {string} type @param {(event: any, key: string) => void} act */
  const on = (type, act) => element.addEventListener(type, (event) => {
    const key = keyAround(event.target);
    if (key !== undefined) act(event, key);
  }, { signal });

  on('click', (/** @type {MouseEvent} */ event, key) => {
    const marked = /** @type {Element} */ (event.target).closest('.pick');
    const selects = marked || pressed || event.shiftKey || event.ctrlKey || event.metaKey || selection.keys.value.size > 0;
    // Enter on a link is a click too: it opens the picture.
    if (!selects || (event.detail === 0 && !marked)) return;
    event.preventDefault();
    if (!pressed) {
      if (event.shiftKey) selection.extend(key);
      else selection.toggle(key);
    }
    pressed = false;
  });
  on('pointerdown', (/** @type {PointerEvent} */ event, key) => {
    release();
    pressed = false;
    if (event.pointerType !== 'touch') return;
    const timer = setTimeout(() => {
      press = null;
      pressed = true;
      selection.toggle(key);
    }, LONG);
    press = { timer, x: event.clientX, y: event.clientY };
  });
  on('pointermove', (/** @type {PointerEvent} */ { clientX, clientY }) => {
    if (press && Math.hypot(clientX - press.x, clientY - press.y) > STILL) release();
  });
  on('pointerup', release);
  on('pointercancel', release);
  on('contextmenu', (/** @type {MouseEvent} */ event) => {
    if (press || pressed) event.preventDefault(); // of a long press
  });
  on('keydown', (/** @type {KeyboardEvent} */ event, key) => {
    if (event.key === ' ') selection.toggle(key);
    else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) selection.all();
    else if (event.key === 'Escape' && selection.keys.value.size) selection.clear();
    else return;
    event.preventDefault();
  });
}
