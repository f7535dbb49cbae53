import { signal } from '@preact/signals';

import { UPDATE_FACTS } from '../api/operations-on-demand.js';

export const MAX_PAIRS = 20; // the API's limit

/** @typedef {import('../types').Picture} Picture */
/** @typedef {{number: number, key: string, value: string}} Pair A pair of the metadata; `number` is its own while it is edited. */

/** The name and the own facts of a picture while its owner edits them. */
export class FactsDraft {
  /** @param {Pick<Picture, 'id' | 'fileName' | 'externalId' | 'metadata'>} blob */
  constructor({ id, fileName, externalId, metadata }) {
    this.id = id;
    this.before = { fileName, externalId, metadata };
    this.numbers = 0;
    this.fileName = signal(fileName ?? '');
    this.externalId = signal(externalId ?? '');
    this.pairs = signal(metadata.map((pair) => this.#numbered(pair)));
    /** What is wrong, by field: `fileName`, `externalId`, `metadata`, `3.key` or `3.value` of pair 3; '' for all. */
    this.problems = signal(/** @type {ReadonlyMap<string, string>} */ (new Map()));
    /** The id of another picture with the same external id. */
    this.other = signal('');
    this.saving = signal(false);
  }

  /** @param {{key: string, value: string}} pair @returns {Pair} */
  #numbered({ key, value }) {
    this.numbers += 1;
    return { number: this.numbers, key, value };
  }

  /** Adds an empty pair. Returns its number. */
  add() {
    const pair = this.#numbered({ key: '', value: '' });
    this.pairs.value = [...this.pairs.value, pair];
    return pair.number;
  }

  /** Removes a pair. Returns the number of the next one, or of the last; undefined where none is left. @param {number} number */
  remove(number) {
    const place = this.pairs.value.findIndex((each) => each.number === number);
    const rest = this.pairs.value.filter((each) => each.number !== number);
    this.pairs.value = rest;
    return (rest[place] ?? rest.at(-1))?.number;
  }

  /** Changes a part of a pair. @param {number} number @param {Partial<Pair>} part */
  change(number, part) {
    this.pairs.value = this.pairs.value.map((each) => (each.number === number ? { ...each, ...part } : each));
  }

  /** The pairs that are not empty. */
  get filled() {
    return this.pairs.value.filter(({ key, value }) => key.trim() || value.trim());
  }

  /** The input of `updateBlob`: what differs from the picture. @returns {Record<string, any>} */
  get input() {
    const { before } = this;
    const fileName = typed(this.fileName.value, before.fileName);
    const externalId = typed(this.externalId.value, before.externalId);
    const metadata = this.filled.map(({ key, value }) => {
      const kept = before.metadata.some((each) => each.key === key && each.value === value);
      return kept ? { key, value } : { key: key.trim(), value: value.trim() };
    });
    return {
      ...(fileName !== before.fileName && { fileName }),
      ...(externalId !== before.externalId && { externalId }),
      ...(asText(metadata) !== asText(before.metadata) && { metadata }),
    };
  }

  get isChanged() {
    return Object.keys(this.input).length > 0;
  }

  /** Saves what changed. Returns whether that is done; if not, `problems` says why. @param {import('../api/client.js').Client} client */
  async save(client) {
    if (this.saving.value) return false;
    const { input, filled } = this;
    this.problems.value = repeatedIn(filled);
    this.other.value = '';
    if (this.problems.value.size || !this.isChanged) return !this.problems.value.size;
    this.saving.value = true;
    try {
      const [result] = Object.values(await client.ask(UPDATE_FACTS, { id: this.id, input }));
      this.problems.value = problemsOf(result, filled);
      this.other.value = result.blobId ?? '';
      return result.__typename === 'UpdatedBlob';
    } catch (error) {
      this.problems.value = new Map([['', error.message]]);
      return false;
    } finally {
      this.saving.value = false;
    }
  }
}

/** Returns a text as it is sent: null removes it, and spaces around it are left out unless they were there before. @param {string} text @param {string | null} before */
const typed = (text, before) => (text === before ? before : text.trim() || null);

/** @param {{key: string, value: string}[]} pairs */
const asText = (pairs) => JSON.stringify(pairs.map(({ key, value }) => [key, value]).sort());

/** Returns the problems of keys that repeat another one. @param {Pair[]} pairs */
function repeatedIn(pairs) {
  const seen = new Set();
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const { number, key } of pairs) {
    if (seen.has(key.trim())) found.set(`${number}.key`, 'Another fact has this name.');
    seen.add(key.trim());
  }
  return found;
}

/** @type {Record<string, string>} */
const SUBJECT = { metadata: 'The facts', key: 'The name', value: 'The value' };

/** Returns the problems that the service's result names, by field. @param {any} result @param {Pair[]} sent */
function problemsOf(result, sent) {
  /** @type {Map<string, string>} */
  const found = new Map();
  if (result.__typename === 'ExternalIdTaken') found.set('externalId', 'Another picture of yours has this id.');
  else if (result.__typename === 'BlobNotFound') found.set('', 'This picture no longer exists.');
  else if (result.__typename === 'InvalidInput') {
    for (const { path: [, name, place, part], message } of result.problems) {
      const field = part ? `${sent[Number(place)].number}.${part}` : name;
      if (!found.has(field)) found.set(field, `${SUBJECT[part ?? name] ?? 'This'} ${message}.`);
    }
  } else if (result.message !== undefined) found.set('', result.message);
  return found;
}
