import { batchesOf } from '../api/batches.js';
import { DOWNLOADS } from '../api/operations-on-demand.js';
import { takenAt } from '../text/taken.js';
import { bytes, count, pictures } from '../text/words.js';
import { Zip } from '../text/zip.js';
import { save } from './save.js';

const MAX_BYTES = 1e9; // what a browser surely keeps in memory

/** @typedef {{id: string, fileName: string | null, contentType: string, createdAt: string, sizeBytes: number | null, downloadUrl: string | null}} Original */

/**
 * Returns a ZIP of the originals of pictures, and how many could not be fetched. A file is dated by when the photograph
 * was taken, else by its upload. Throws an Error where they are too
 * large, or where none could be fetched.
 * @param {string[]} ids
 * @param {{client: import('../api/client.js').Client, send?: typeof fetch}} parts
 */
export async function archiveOf(ids, { client, send = (...request) => fetch(...request) }) {
  const zip = new Zip();
  let size = 0;
  for (const batch of batchesOf(ids)) {
    // Signed URLs live some minutes: each part is asked for when it is due.
    const { nodes } = await client.ask(DOWNLOADS, { ids: batch });
    for (const blob of nodes) {
      size += blob?.sizeBytes ?? 0;
      if (size > MAX_BYTES) throw new Error(`The pictures have more than ${bytes(MAX_BYTES)}. Select fewer.`);
      const content = blob && (await contentOf(blob, send));
      if (content) zip.add({ name: nameOf(blob), content, at: takenAt(content) ?? new Date(blob.createdAt) });
    }
  }
  if (!zip.files) throw new Error('No picture could be fetched.');
  return { archive: zip.end(), missing: ids.length - zip.files };
}

/** Returns the bytes of an original; null if it can't be fetched. @param {Original} blob @param {typeof fetch} send */
async function contentOf({ downloadUrl }, send) {
  if (!downloadUrl) return null;
  try {
    const response = await send(downloadUrl);
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
  } catch {
    return null;
  }
}

/** @param {Original} blob */
const nameOf = ({ id, fileName, contentType }) => fileName ?? `${id}.${contentType.toLowerCase()}`;

/** Downloads the originals of pictures as one file. @param {string[]} ids @param {import('../app.js').App} app */
export async function download(ids, app) {
  const close = app.notices.show(`Preparing ${pictures(ids.length)} for download …`, { seconds: 600 });
  try {
    const { archive, missing } = await archiveOf(ids, app);
    save(archive, 'pictures.zip');
    if (missing) app.notices.show(`${count(missing)} of ${pictures(ids.length)} could not be fetched.`);
  } catch (error) {
    app.notices.show(error.message);
  } finally {
    close();
  }
}
