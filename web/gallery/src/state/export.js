import { batchesOf } from '../api/batches.js';
import { EXPORT } from '../api/operations-on-demand.js';
import { save } from './save.js';
import { pictures } from '../text/words.js';

// The formats of `labelling export` (embedded/client/exporter.py): the same columns in the same order.
const LABEL_COLUMNS = ['label', 'confidence', 'parents', 'aliases', 'categories', 'instances', 'source', 'confirmed_at'];
const FACT_COLUMNS = ['file_name', 'external_id', 'metadata'];

/** @typedef {Record<string, any>} Row */

/** @type {Record<string, {ending: string, type: string, text: (rows: Row[]) => string}>} */
export const FORMATS = {
  csv: { ending: 'csv', type: 'text/csv', text: asCsv },
  jsonl: { ending: 'jsonl', type: 'application/jsonl', text: (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('') },
};

/** Returns the rows of an export: one for each of the pictures that exist. Throws ServiceError. @param {string[]} ids @param {import('../api/client.js').Client} client */
export async function rowsOf(ids, client) {
  /** @type {Row[]} */
  const rows = [];
  for (const batch of batchesOf(ids)) {
    const { nodes } = await client.ask(EXPORT, { ids: batch });
    rows.push(...nodes.filter(Boolean).map(rowOf));
  }
  return rows;
}

/** @param {Row} blob @returns {Row} */
function rowOf(blob) {
  const { detector, failure, labels } = blob;
  return {
    id: blob.id,
    status: blob.status,
    content_type: blob.contentType,
    size_bytes: blob.sizeBytes,
    sha256: blob.sha256,
    width: blob.width,
    height: blob.height,
    created_at: blob.createdAt,
    labelled_at: blob.labelledAt,
    detector: detector && [detector.name, detector.version].filter(Boolean).join('/'),
    failure_code: failure?.code ?? null,
    failure_message: failure?.message ?? null,
    labels: labels && labels.map((/** @type {Row} */ { confirmedAt, ...label }) => ({
      ...label,
      instances: label.instances.map((/** @type {Row} */ { boundingBox, confidence }) => ({ ...boundingBox, confidence })),
      confirmed_at: confirmedAt,
    })),
    file_name: blob.fileName,
    external_id: blob.externalId,
    metadata: Object.fromEntries(blob.metadata.map((/** @type {Row} */ { key, value }) => [key, value])),
  };
}

/** Returns rows as CSV (RFC 4180): a record for each label of a picture, one for a picture without labels. @param {Row[]} rows */
function asCsv(rows) {
  const ofBlob = Object.keys(rows[0] ?? {}).filter((column) => column !== 'labels' && !FACT_COLUMNS.includes(column));
  const records = rows.flatMap((row) => {
    const head = ofBlob.map((column) => row[column]);
    const facts = [safe(row.file_name), safe(row.external_id), Object.keys(row.metadata).length ? JSON.stringify(row.metadata) : ''];
    if (!row.labels?.length) return [[...head, ...LABEL_COLUMNS.map(() => ''), ...facts]];
    return row.labels.map((/** @type {Row} */ label) => {
      const lists = [label.parents, label.aliases, label.categories].map((names) => safe(names.join(';')));
      const instances = label.instances.length ? JSON.stringify(label.instances) : '';
      return [...head, safe(label.name), label.confidence, ...lists, instances, label.source, label.confirmed_at, ...facts];
    });
  });
  return [[...ofBlob, ...LABEL_COLUMNS, ...FACT_COLUMNS], ...records].map((record) => `${record.map(cell).join(',')}\r\n`).join('');
}

/** Returns a text that no spreadsheet takes for a formula (OWASP, "CSV Injection"). @param {string | null} text */
const safe = (text) => (/^[=+\-@]/.test(text ?? '') ? `'${text}` : text);

/** @param {unknown} value */
function cell(value) {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Saves the labels and facts of pictures as a file. @param {string[]} ids @param {keyof typeof FORMATS} format @param {import('../app.js').App} app */
export async function exportLabels(ids, format, { client, notices }) {
  const close = notices.show(`Exporting ${pictures(ids.length)} …`, { seconds: 600 });
  try {
    const { ending, type, text } = FORMATS[format];
    const rows = await rowsOf(ids, client);
    if (!rows.length) throw new Error('These pictures no longer exist.');
    save(new Blob([text(rows)], { type }), `labels.${ending}`);
    notices.show(`Exported ${pictures(rows.length)}.`);
  } catch (error) {
    notices.show(error.message);
  } finally {
    close();
  }
}
