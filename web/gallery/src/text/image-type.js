import { readType } from './signature.js';

// What the first bytes do not tell; the service then says what it found.
/** @type {Record<string, string>} */
const BY_ENDING = {
  jpg: 'JPEG', jpeg: 'JPEG', png: 'PNG', webp: 'WEBP', gif: 'GIF',
  avif: 'AVIF', heic: 'HEIC', heif: 'HEIC', tif: 'TIFF', tiff: 'TIFF', bmp: 'BMP',
};
/** @type {Record<string, string>} */
const BY_TYPE = {
  'image/jpeg': 'JPEG', 'image/png': 'PNG', 'image/webp': 'WEBP', 'image/gif': 'GIF',
  'image/avif': 'AVIF', 'image/heic': 'HEIC', 'image/heif': 'HEIC', 'image/tiff': 'TIFF',
  'image/bmp': 'BMP', 'image/x-ms-bmp': 'BMP',
};

/**
 * Returns a file's image type as the API names it, or undefined: by its content, else by its name.
 * Rejects if the file can't be read.
 * @param {File} file
 */
export async function imageType(file) {
  const ending = file.name.split('.').at(-1)?.toLowerCase() ?? '';
  return (await readType(file)) ?? BY_TYPE[file.type] ?? BY_ENDING[ending];
}
