// Writes ZIP archives (PKWARE's APPNOTE 6.3) without compression, which pictures have already.
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const VERSION = 20;
const UTF8 = 0x0800; // the flag for names in UTF-8
const FIRST_YEAR = 1980; // of MS-DOS, whose time has no zone and counts two seconds
const LAST_YEAR = 2107;

/** @typedef {{name: string, content: Uint8Array<ArrayBuffer>, at: Date}} File `at`: when the file was changed */

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** Returns the CRC-32 of bytes. @param {Uint8Array} content */
export function crc32(content) {
  let crc = 0xffffffff;
  for (let at = 0; at < content.length; at += 1) crc = TABLE[(crc ^ content[at]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Returns numbers of 2 and 4 bytes, the least significant byte first. @param {[size: 2 | 4, value: number][]} numbers */
function packed(numbers) {
  const bytes = new Uint8Array(numbers.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of numbers) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

/** Returns a time and a date as MS-DOS has them, in this browser's time zone. @param {Date} at @returns {[time: number, date: number]} */
export function dosTime(at) {
  const year = at.getFullYear();
  if (!(year >= FIRST_YEAR)) return [0, (1 << 5) | 1];
  if (year > LAST_YEAR) return dosTime(new Date(LAST_YEAR, 11, 31, 23, 59, 59));
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
  return [time, ((year - FIRST_YEAR) << 9) | ((at.getMonth() + 1) << 5) | at.getDate()];
}

/** An archive, to which files are added one after the other. It must stay below 4 GiB. */
export class Zip {
  constructor() {
    /** @type {BlobPart[]} */
    this.parts = [];
    /** @type {BlobPart[]} */
    this.directory = [];
    this.size = 0;
    this.directorySize = 0;
    this.files = 0;
    /** @type {Set<string>} */
    this.names = new Set();
  }

  /** Adds a file; a name that is there already gets a number. @param {File} file */
  add({ name, content, at }) {
    const [time, date] = dosTime(at);
    const encoded = new TextEncoder().encode(this.#unused(name));
    /** What both headers have. @type {[2 | 4, number][]} */
    const about = [
      [2, VERSION], [2, UTF8], [2, 0], [2, time], [2, date],
      [4, crc32(content)], [4, content.length], [4, content.length], [2, encoded.length], [2, 0],
    ];
    const header = packed([[4, LOCAL], ...about]);
    const entry = packed([[4, CENTRAL], [2, VERSION], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, this.size]]);
    this.parts.push(new Blob([header, encoded, content])); // the browser may keep it on its disk
    this.directory.push(entry, encoded);
    this.size += header.length + encoded.length + content.length;
    this.directorySize += entry.length + encoded.length;
    this.files += 1;
  }

  /** @param {string} name */
  #unused(name) {
    const [, stem, ending] = /^(.*?)(\.[^.]*)?$/s.exec(name) ?? ['', name, ''];
    let free = name;
    for (let number = 2; this.names.has(free.toLowerCase()); number += 1) free = `${stem} (${number})${ending ?? ''}`;
    this.names.add(free.toLowerCase());
    return free;
  }

  /** Returns the archive. */
  end() {
    const end = packed([
      [4, END], [2, 0], [2, 0], [2, this.files], [2, this.files], [4, this.directorySize], [4, this.size], [2, 0],
    ]);
    return new Blob([...this.parts, ...this.directory, end], { type: 'application/zip' });
  }
}
