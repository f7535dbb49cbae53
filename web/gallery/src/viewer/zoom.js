// The part of a picture that is visible. Lengths are pixels from the middle of the stage.
const MOST = 8;

/** @typedef {{scale: number, x: number, y: number}} Zoom */
/** @typedef {{width: number, height: number}} Size */

/** The whole picture. @type {Readonly<Zoom>} */
export const WHOLE = Object.freeze({ scale: 1, x: 0, y: 0 });

/** Returns the view after zooming, in which the point (px, py) stays where it is. @param {Zoom} zoom @param {number} factor @param {number} px @param {number} py @returns {Zoom} */
export function zoomAt({ scale, x, y }, factor, px = 0, py = 0) {
  const next = Math.min(MOST, Math.max(1, scale * factor));
  const grown = next / scale;
  return { scale: next, x: px - (px - x) * grown, y: py - (py - y) * grown };
}

/** Returns the view after moving the picture. @param {Zoom} zoom @param {number} dx @param {number} dy @returns {Zoom} */
export const movedBy = ({ scale, x, y }, dx, dy) => ({ scale, x: x + dx, y: y + dy });

/** Returns the view with no more space beside the picture than there must be. @param {Zoom} zoom @param {Size} sheet @param {Size} stage @returns {Zoom} */
export function within({ scale, x, y }, sheet, stage) {
  const limit = (/** @type {number} */ inner, /** @type {number} */ outer, /** @type {number} */ at) => {
    const most = Math.max(0, (inner * scale - outer) / 2);
    return Math.min(most, Math.max(-most, at));
  };
  return { scale, x: limit(sheet.width, stage.width, x), y: limit(sheet.height, stage.height, y) };
}
