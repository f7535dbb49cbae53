import { batchesOf } from '../api/batches.js';
import { TILES } from '../api/operations.js';

/** @typedef {import('../types').Tile} Tile */

/** Loads what other clients may have changed. Throws ServiceError. @param {import('./updates.js').Updates} updates */
export async function look(updates) {
  const { collection } = updates;
  await collection.refresh();
  // They can restore what waits to be deleted.
  const waiting = new Set(collection.waiting);
  for (const ids of batchesOf([...new Set([...updates.watched.keys(), ...waiting])])) {
    const asked = Date.now();
    const { nodes } = await collection.client.ask(TILES, { ids });
    nodes.forEach((/** @type {Tile | null} */ blob, /** @type {number} */ index) => {
      const id = ids[index];
      if (!blob) {
        updates.gone(id);
        return;
      }
      if (waiting.has(id) && !blob.deletesAt) collection.readmit(id);
      updates.news(blob, asked);
    });
  }
  // They can delete and correct what is visible.
  await collection.know(updates.visible(), { reload: true });
  await updates.viewer().look();
}
