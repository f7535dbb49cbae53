import { signal } from '@preact/signals';

import { ServiceError } from '../api/client.js';
import { CREATE } from '../api/operations-on-demand.js';
import { FinalError, put, TooLargeError } from '../api/put.js';
import { fileName } from '../text/file-name.js';
import { imageType } from '../text/image-type.js';
import { bytes } from '../text/words.js';
import { Failures } from './failures.js';

const AT_ONCE = 4;
// Confidence in per cent. Labels below what the service is sure of are shown as suggestions.
const SUGGESTED_FROM = 25;
const TRIES = 4;
const OVER = new Set(['LABELLED', 'FAILED', 'EXPIRED']);

/** @typedef {import('../types').Upload} Upload */

const NONE = { total: 0, done: 0, failed: 0, sent: 0 };

const pause = (/** @type {number} */ milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** Uploads files, several at a time. `progress` is that of all since the last time when none was left. */
export class Uploads {
  /**
   * @param {{
   *   client: import('../api/client.js').Client,
   *   collection: import('./collection.js').Collection,
   *   onSent: (blob: {id: string}) => void,
   *   send?: typeof put,
   * }} parts
   */
  constructor({ client, collection, onSent, send = put }) {
    this.client = client;
    this.collection = collection;
    this.onSent = onSent;
    this.send = send;
    /** Numbers of uploads; `sent` is the sum of their parts. */
    this.progress = signal(NONE);
    this.failures = new Failures({ client, watch: onSent });
    /** Until when uploads wait for the quota; empty where none does. */
    this.paused = signal('');
    /** @type {Upload[]} */
    this.waiting = [];
    this.sending = 0;
    this.number = 0;
  }

  /** Adds files to upload. @param {Iterable<File>} files */
  add(files) {
    const fresh = [...files].map((file) => this.#made(file));
    const { total, done, failed } = this.progress.value;
    const over = done + failed === total;
    // What failed before stays until it is dismissed.
    this.#count(over ? { total: failed + fresh.length, done: 0, sent: failed } : { total: total + fresh.length });
    this.collection.add(fresh);
    this.waiting.push(...fresh);
    this.#go();
  }

  /** @param {File} file @returns {Upload} */
  #made(file) {
    this.number += 1;
    return {
      key: `upload ${this.number}`,
      file,
      name: file.name || 'Pasted picture',
      preview: URL.createObjectURL(file),
      progress: 0,
      problem: null,
      done: false,
      idempotencyKey: null,
    };
  }

  /** Tries again what failed: one file, or all that another try may help. @param {string} [key] */
  retry(key) {
    const again = this.failures.take((each) => each.retryable && (key === undefined || each.key === key));
    const uploads = again.flatMap(({ upload }) => upload ?? []);
    const { failed, sent } = this.progress.value;
    this.#count({ failed: failed - uploads.length, sent: sent - uploads.length });
    for (const upload of uploads) {
      upload.problem = null;
      upload.progress = 0;
      this.collection.touch(upload.key);
    }
    this.waiting.push(...uploads);
    this.#go();
    return this.failures.relabel(again.filter(({ upload }) => !upload));
  }

  /** The number of files in the collection that the service does not have, because their upload failed. */
  get refused() {
    return this.failures.list.value.filter(({ upload }) => upload && this.collection.get(upload.key)).length;
  }

  /** Hides what failed. */
  dismiss() {
    const uploads = this.failures.take(() => true).flatMap(({ upload }) => upload ?? []);
    this.collection.removeAll(uploads.map(({ key }) => key));
    for (const upload of uploads) revoke(upload);
    const { total, failed, sent } = this.progress.value;
    this.#count({ total: total - uploads.length, failed: failed - uploads.length, sent: sent - uploads.length });
  }

  /**
   * Forgets the upload of a picture that has its labels, and frees the memory of its preview.
   * @param {string} key
   */
  release(key) {
    const item = this.collection.get(key);
    if (!item?.upload?.done || !OVER.has(item.blob?.status ?? '')) return;
    revoke(item.upload);
    item.upload = null;
  }

  /** @param {Partial<typeof NONE>} changed */
  #count(changed) {
    this.progress.value = { ...this.progress.value, ...changed };
  }

  /** @param {Upload} upload @param {number} part */
  #advance(upload, part) {
    this.#count({ sent: this.progress.value.sent + part - upload.progress });
    upload.progress = part;
    this.collection.touch(upload.key);
  }

  #go() {
    while (this.sending < AT_ONCE && this.waiting.length) {
      const upload = /** @type {Upload} */ (this.waiting.shift());
      this.sending += 1;
      this.#see(upload).finally(() => {
        this.sending -= 1;
        this.#go();
      });
    }
  }

  /** @param {Upload} upload */
  async #see(upload) {
    try {
      await this.#deliver(upload);
      upload.done = true;
      this.#count({ done: this.progress.value.done + 1 });
    } catch (error) {
      upload.problem = error.message;
      this.failures.addUpload(upload, error instanceof FinalError ? error.remedy : null);
      this.#count({ failed: this.progress.value.failed + 1 });
    }
    this.#advance(upload, 1);
  }

  /** @param {Upload} upload */
  async #deliver(upload) {
    let input = await this.#input(upload);
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#attempt(upload, input);
        return;
      } catch (error) {
        this.#advance(upload, 0);
        if (error.code === 'EXPIRED') {
          upload.idempotencyKey = null; // the blob of the former key takes no bytes any more
          input = await this.#input(upload);
        } else if (error.code === 'QuotaExceeded') {
          this.paused.value = error.retryAt;
          await pause(Math.max(1000, Number(new Date(error.retryAt)) - Date.now()));
          this.paused.value = '';
          tries -= 1; // waiting for the quota does not count
        } else if (error.code === 'OFFLINE') {
          await this.#reachableAgain(5000);
          tries -= 1;
        } else if (error instanceof FinalError || !error.passing || tries >= TRIES) {
          throw error.code === 'InvalidInput' ? invalid(error, upload.file) : error;
        } else await pause(500 * 2 ** tries);
      }
    }
  }

  /** Returns the input of createUpload. @param {Upload} upload */
  async #input(upload) {
    const { file } = upload;
    if (!file.size) throw new FinalError('The file is empty.', 'Copy it from its source again.');
    const contentType = await imageType(file).catch(() => {
      throw new FinalError('The file can’t be read.', 'Check that it is still there, then choose it again.');
    });
    if (!contentType) throw new FinalError('Unsupported file type.', 'Save the picture as JPEG or PNG.');
    // The same key for each try, so that a lost response creates no second blob.
    upload.idempotencyKey ??= randomKey();
    return {
      contentType,
      sizeBytes: file.size,
      fileName: fileName(file.name),
      idempotencyKey: upload.idempotencyKey,
      minConfidence: SUGGESTED_FROM,
    };
  }

  /** @param {Upload} upload @param {object} input */
  async #attempt(upload, input) {
    const { blob, target } = await this.client.change(CREATE, { input });
    if (blob.status === 'EXPIRED') throw new ServiceError('The upload expired.', { code: 'EXPIRED' });
    this.collection.name(upload.key, blob);
    this.failures.expect(blob.id, upload.name);
    if (blob.status === 'AWAITING_UPLOAD') {
      try {
        await this.send(upload.file, target, (part) => this.#advance(upload, Math.min(0.99, part)));
      } catch (error) {
        if (error.code === 'OFFLINE') this.client.session.reachable.value = false;
        throw error instanceof TooLargeError ? tooLarge(upload.file, target.maxBytes) : error;
      }
      const now = this.collection.get(upload.key)?.blob; // its labels can be faster than the response
      if (now?.status === 'AWAITING_UPLOAD') this.collection.take({ ...now, status: 'LABELLING' });
    }
    this.onSent(blob);
  }

  /** Resolves when the service is reachable again, or after that time. @param {number} milliseconds */
  #reachableAgain(milliseconds) {
    const { reachable } = this.client.session;
    let ended = () => {};
    return new Promise((done) => {
      const timer = setTimeout(done, milliseconds, null);
      const end = reachable.subscribe((now) => {
        if (now) done(null);
      });
      ended = () => {
        clearTimeout(timer);
        end();
      };
    }).finally(() => ended());
  }
}

/** @param {Upload} upload */
function revoke(upload) {
  if (upload.preview) URL.revokeObjectURL(upload.preview);
  upload.preview = null;
}

/** @param {File} file @param {number} limit */
function tooLarge(file, limit) {
  return new FinalError(`The file has ${bytes(file.size)}; the limit is ${bytes(limit)}.`, 'Save the picture with fewer bytes or pixels.');
}

/** Returns the error of an upload that the API does not accept. The problem of a size ends with the limit in bytes. @param {ServiceError} error @param {File} file */
function invalid({ message, problems }, file) {
  const limit = /\d+$/.exec(problems.find(({ field }) => field === 'sizeBytes')?.message ?? '');
  return limit ? tooLarge(file, Number(limit[0])) : new FinalError(message, 'Change the file, then upload it again.');
}

function randomKey() {
  // crypto.randomUUID is missing on pages loaded by plain http from another machine.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, '0')).join('');
}
