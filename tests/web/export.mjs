// Prints what the gallery exports of blobs: node export.mjs <NODES, the nodes of a response in JSON.
import { readFileSync } from 'node:fs';

import { FORMATS, rowsOf } from '../../web/gallery/src/state/export.js';

const nodes = JSON.parse(readFileSync(0, 'utf8'));
const client = { ask: async (_query, { ids }) => ({ nodes: ids.map((id) => nodes.find((each) => each.id === id) ?? null) }) };
const rows = await rowsOf([...nodes.map(({ id }) => id), 'deleted'], client);
const printed = Object.entries(FORMATS).map(([format, { text }]) => [format, text(rows)]);
process.stdout.write(JSON.stringify(Object.fromEntries(printed)));
