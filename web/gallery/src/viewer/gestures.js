const SWIPE = 60; // pixels
const DOUBLE = 3; // the scale after a double click
const WHEEL = 0.002; // per pixel

/**
 * Listens to gestures on an element: wheel, double click, pinch, drag and swipe. Points are pixels from the middle
 * of the element. Returns a function that ends this.
 * @param {HTMLElement} element
 * @param {{
 *   isZoomed: () => boolean,
 *   onZoom: (factor: number, x: number, y: number) => void,
 *   onWhole: () => void,
 *   onMove: (dx: number, dy: number) => void,
 *   onSwipe: (by: number) => void,
 * }} listeners
 */
export function listen(element, { isZoomed, onZoom, onWhole, onMove, onSwipe }) {
  const end = new AbortController();
  /** The pointers that are down, where they are and where they began. @type {Map<number, {x: number, y: number, fromX: number, fromY: number}>} */
  const down = new Map();
  let pinched = false;
  const middle = (/** @type {{clientX: number, clientY: number}} */ { clientX, clientY }) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return { x: clientX - left - width / 2, y: clientY - top - height / 2 };
  };
  const isControl = (/** @type {Event} */ { target }) => Boolean(/** @type {Element} */ (target).closest('button, a'));
  /** @param {string} type @param {(event: any) => void} act */
  const on = (type, act) => element.addEventListener(type, act, { signal: end.signal, passive: false });

  on('wheel', (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    const { x, y } = middle(event);
    onZoom(Math.exp(-event.deltaY * WHEEL * (event.ctrlKey ? 5 : 1)), x, y);
  });
  on('dblclick', (/** @type {MouseEvent} */ event) => {
    if (isControl(event)) return;
    const { x, y } = middle(event);
    if (isZoomed()) onWhole();
    else onZoom(DOUBLE, x, y);
  });
  on('pointerdown', (/** @type {PointerEvent} */ event) => {
    if (isControl(event) || event.button !== 0) return;
    if (!down.size) pinched = false;
    const { x, y } = middle(event);
    down.set(event.pointerId, { x, y, fromX: x, fromY: y });
  });
  on('pointermove', (/** @type {PointerEvent} */ event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const now = { ...before, ...middle(event) };
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    down.set(event.pointerId, now);
    if (other) {
      pinched = true;
      onZoom(distance(now, other) / Math.max(1, distance(before, other)), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (isZoomed()) onMove(now.x - before.x, now.y - before.y);
  });
  on('pointerup', (/** @type {PointerEvent} */ event) => {
    const last = down.get(event.pointerId);
    down.delete(event.pointerId);
    if (!last || pinched || down.size || isZoomed() || event.pointerType === 'mouse') return;
    const { x, y } = middle(event);
    const dx = x - last.fromX;
    if (Math.abs(dx) > SWIPE && Math.abs(dx) > 2 * Math.abs(y - last.fromY)) onSwipe(dx < 0 ? 1 : -1);
  });
  on('pointercancel', (/** @type {PointerEvent} */ event) => down.delete(event.pointerId));
  on('pointerleave', (/** @type {PointerEvent} */ event) => down.delete(event.pointerId));
  return () => end.abort();
}

/** @param {{x: number, y: number}} one @param {{x: number, y: number}} other */
const distance = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);
