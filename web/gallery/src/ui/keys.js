const OFF = 'labelling:keys-off'; // where this browser stores that the user switched `/` and `?` off

/** Tells whether `/` and `?` do something. */
export const areOn = () => !localStorage.getItem(OFF);

/** @param {boolean} on */
export const switchKeys = (on) => (on ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, 'yes'));

/** Returns `/` or `?` where the user pressed that alone and does not type a text; else nothing. @param {KeyboardEvent} event */
export function keyOf({ key, target, altKey, ctrlKey, metaKey }) {
  const typed = /** @type {Element} */ (target).closest?.('input, textarea, select');
  return (key === '/' || key === '?') && !typed && !altKey && !ctrlKey && !metaKey && areOn() ? key : '';
}
