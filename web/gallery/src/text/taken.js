// When a photograph was taken, as its camera wrote it: "Exif 2.32" (CIPA DC-008), in JPEG and TIFF files.
const EXIF_IFD = 0x8769;
const DATE_TIME_ORIGINAL = 0x9003;
const SEARCHED = 65_536; // bytes: JPEG has Exif in its first segments
const MARKER = [0x45, 0x78, 0x69, 0x66, 0, 0]; // "Exif" and two zeros
const DATE_TIME = /^(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)/;

/**
 * Returns when a photograph was taken, in the camera's time, which has no zone; null where its file does not tell.
 * @param {Uint8Array} content
 */
export function takenAt(content) {
  try {
    const tiff = tiffIn(content);
    const pointer = tiff && entryOf(tiff, tiff.number(4, 4), EXIF_IFD);
    const date = pointer && entryOf(tiff, pointer.value, DATE_TIME_ORIGINAL);
    const found = date && DATE_TIME.exec(tiff.text(date.value, 19));
    if (!found) return null;
    const [year, month, day, hour, minute, second] = found.slice(1).map(Number);
    const taken = new Date(year, month - 1, day, hour, minute, second);
    return taken.getMonth() === month - 1 && taken.getDate() === day ? taken : null; // "0000:00:00" where a camera has no clock
  } catch {
    return null; // offsets that lead beyond the file
  }
}

/** @typedef {{number: (at: number, size: 2 | 4) => number, text: (at: number, length: number) => string}} Tiff */

/** Returns the TIFF structure of a file, or null. @param {Uint8Array} content @returns {Tiff | null} */
function tiffIn(content) {
  const begin = beginOf(content);
  const order = begin === null ? '' : String.fromCharCode(content[begin], content[begin + 1]);
  if (begin === null || (order !== 'II' && order !== 'MM')) return null;
  const view = new DataView(content.buffer, content.byteOffset + begin, content.length - begin);
  const little = order === 'II';
  return {
    number: (at, size) => (size === 2 ? view.getUint16(at, little) : view.getUint32(at, little)),
    text: (at, length) => String.fromCharCode(...content.subarray(begin + at, begin + at + length)),
  };
}

/** Returns where the TIFF structure begins. @param {Uint8Array} content */
function beginOf(content) {
  if (content[0] !== 0xff || content[1] !== 0xd8) return 0; // not a JPEG
  const last = Math.min(content.length, SEARCHED) - MARKER.length;
  for (let at = 2; at < last; at += 1) {
    if (MARKER.every((byte, index) => content[at + index] === byte)) return at + MARKER.length;
  }
  return null;
}

/** Returns a directory's entry with a tag; its value is a number or where the value is. @param {Tiff} tiff @param {number} directory @param {number} tag */
function entryOf(tiff, directory, tag) {
  const count = tiff.number(directory, 2);
  for (let index = 0; index < count; index += 1) {
    const at = directory + 2 + 12 * index;
    if (tiff.number(at, 2) === tag) return { value: tiff.number(at + 8, 4) };
  }
  return null;
}
