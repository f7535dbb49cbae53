// What an image is, by its first bytes: the same rules as labeller/imaging/header.py.
const PREFIX = 64;
const ANY_HEIF = ['mif1', 'msf1', 'mif2', 'mif3', 'miaf'];
/** @type {Record<string, string>} */
const BRANDS = {
  avif: 'AVIF', avis: 'AVIF',
  heic: 'HEIC', heix: 'HEIC', heim: 'HEIC', heis: 'HEIC', hevc: 'HEIC', hevx: 'HEIC', hevm: 'HEIC', hevs: 'HEIC',
};
// Raw files of cameras, which begin as a TIFF does, come first: they have no type here.
/** @type {[at: number, magic: string, type?: string][]} */
const MAGIC = [
  [8, 'CR\x02'],
  [0, '\xff\xd8\xff', 'JPEG'],
  [0, '\x89PNG\r\n\x1a\n', 'PNG'],
  [8, 'WEBPVP8', 'WEBP'],
  [0, 'GIF87a', 'GIF'],
  [0, 'GIF89a', 'GIF'],
  [0, 'II*\0', 'TIFF'],
  [0, 'MM\0*', 'TIFF'],
  [0, 'II+\0', 'TIFF'],
  [0, 'MM\0+', 'TIFF'],
  [0, 'BM', 'BMP'],
];

/** Returns the type, as the API names it, of an image that begins with these bytes; or undefined. @param {Uint8Array} prefix */
export function typeOf(prefix) {
  const text = String.fromCharCode(...prefix.subarray(0, PREFIX));
  if (text.slice(4, 8) === 'ftyp') {
    const brands = [text.slice(8, 12)];
    if (ANY_HEIF.includes(brands[0])) {
      const end = Math.min(new DataView(prefix.buffer, prefix.byteOffset).getUint32(0), text.length);
      for (let at = 16; at < end; at += 4) brands.push(text.slice(at, at + 4));
    }
    const known = brands.find((brand) => Object.hasOwn(BRANDS, brand));
    if (known) return BRANDS[known];
  }
  return MAGIC.find(([at, magic]) => text.startsWith(magic, at))?.[2];
}

/** Returns the type of a file by its first bytes, or undefined. Rejects if it can't be read. @param {Blob} file */
export async function readType(file) {
  return typeOf(new Uint8Array(await file.slice(0, PREFIX).arrayBuffer()));
}
