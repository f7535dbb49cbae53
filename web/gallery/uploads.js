import { change, onReachable, setReachable, ServiceError } from './api.js';
import { CREATE } from './operations.js';
import { readType } from './signature.js';
import { bytes } from './words.js';

const AT_ONCE = 4;
// Confidence in per cent. Labels below what the service is sure of are shown as suggestions.
const SUGGESTED_FROM = 25;
const TRIES = 4;

// What the first bytes do not tell; the service then says what it found.
const BY_ENDING = {
  jpg: 'JPEG', jpeg: 'JPEG', png: 'PNG', webp: 'WEBP', gif: 'GIF',
  avif: 'AVIF', heic: 'HEIC', heif: 'HEIC', tif: 'TIFF', tiff: 'TIFF', bmp: 'BMP',
};
const BY_TYPE = {
  'image/jpeg': 'JPEG', 'image/png': 'PNG', 'image/webp': 'WEBP', 'image/gif': 'GIF',
  'image/avif': 'AVIF', 'image/heic': 'HEIC', 'image/heif': 'HEIC', 'image/tiff': 'TIFF',
  'image/bmp': 'BMP', 'image/x-ms-bmp': 'BMP',
};

/** Returns a file's image type as the API names it, or undefined: by its content, else by its name. */
async function imageType(file) {
  let found;
  try {
    found = await readType(file);
  } catch {
    throw new Final('The file can’t be read.');
  }
  return found ?? BY_TYPE[file.type] ?? BY_ENDING[file.name.split('.').pop().toLowerCase()];
}

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** Resolves when the service is reachable again, or after that time. */
async function reachableAgain(milliseconds) {
  let end;
  const found = new Promise((done) => { end = onReachable((now) => now && done()); });
  await Promise.race([pause(milliseconds), found]);
  end();
}

/** An error that a retry can't fix. */
class Final extends ServiceError {}

/**
 * Uploads files, several at a time. `collection` shows them, `onSent` receives each uploaded blob,
 * and `onProgress` the progress of all.
 */
export class Uploads {
  constructor(collection, { onSent, onProgress }) {
    this.collection = collection;
    this.onSent = onSent;
    this.onProgress = onProgress;
    this.all = [];
    this.waiting = [];
    this.sending = 0;
    this.number = 0;
  }

  /** Adds files to upload. */
  add(files) {
    const fresh = [...files].map((file) => {
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
    });
    if (this.all.every(({ done, problem }) => done || problem)) this.all = [];
    for (const upload of fresh.toReversed?.() ?? [...fresh].reverse()) this.collection.add(upload);
    this.all.push(...fresh);
    this.waiting.push(...fresh);
    this.#go();
  }

  /** Retries failed uploads. */
  retry() {
    for (const upload of this.all.filter(({ problem, final }) => problem && !final)) {
      upload.problem = null;
      upload.progress = 0;
      this.waiting.push(upload);
    }
    this.#go();
  }

  #tell(upload) {
    this.collection.onChange(upload.key);
    const failed = this.all.filter(({ problem }) => problem).length;
    const done = this.all.filter((each) => each.done).length;
    const retryable = this.all.some(({ problem, final }) => problem && !final);
    const sum = this.all.reduce((total, each) => total + (each.done || each.problem ? 1 : each.progress), 0);
    this.onProgress({ total: this.all.length, done, failed, retryable, part: sum / this.all.length });
  }

  #go() {
    while (this.sending < AT_ONCE && this.waiting.length) {
      const upload = this.waiting.shift();
      this.sending += 1;
      this.#see(upload).finally(() => {
        this.sending -= 1;
        this.#go();
      });
    }
  }

  async #see(upload) {
    try {
      await this.#send(upload);
      upload.done = true;
      upload.progress = 1;
    } catch (error) {
      upload.problem = error.message;
      upload.final = error instanceof Final;
    }
    this.#tell(upload);
  }

  async #send(upload) {
    if (!upload.file.size) throw new Final('The file is empty.');
    const contentType = await imageType(upload.file);
    if (!contentType) throw new Final('This type of picture is not supported.');
    // The same key for each try, so that a lost response creates no second blob.
    upload.idempotencyKey ??= randomKey();
    const input = {
      contentType,
      sizeBytes: upload.file.size,
      idempotencyKey: upload.idempotencyKey,
      minConfidence: SUGGESTED_FROM,
    };
    for (let tries = 1; ; tries += 1) {
      try {
        this.#tell(upload);
        const { blob, target } = await change(CREATE, { input });
        this.collection.name(upload.key, blob);
        if (blob.status === 'AWAITING_UPLOAD') {
          await this.#put(upload, target);
          this.collection.take({ ...blob, status: 'LABELLING' });
        }
        this.onSent(blob);
        return;
      } catch (error) {
        upload.progress = 0;
        if (error.code === 'QuotaExceeded') {
          await pause(Math.max(1000, new Date(error.retryAt) - Date.now()));
          tries -= 1; // waiting for the quota does not count
        } else if (error.code === 'OFFLINE') {
          this.#tell(upload);
          await reachableAgain(5000);
          tries -= 1;
        } else if (error instanceof Final || !error.passing || tries >= TRIES) {
          throw error.code === 'InvalidInput' ? new Final(invalid(error, upload.file)) : error;
        } else await pause(500 * 2 ** tries);
      }
    }
  }

  /** Sends the bytes, with XMLHttpRequest because fetch reports no progress. */
  #put(upload, { method, url, headers, maxBytes }) {
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const { name, value } of headers) request.setRequestHeader(name, value);
      request.upload.addEventListener('progress', ({ loaded, total }) => {
        upload.progress = Math.min(0.99, loaded / total);
        this.#tell(upload);
      });
      request.addEventListener('load', () => {
        const { status } = request;
        if (status < 300 || status === 409 || status === 412) done(); // 409, 412: it was uploaded before
        else if (status === 413) fail(new Final(tooLarge(upload.file, maxBytes)));
        else if (status >= 500 || status === 408 || status === 429) {
          fail(new ServiceError(`The upload failed with status ${status}.`, { code: 'SERVICE_UNAVAILABLE' }));
        } else fail(new ServiceError(refusal(request)));
      });
      request.addEventListener('error', () => {
        setReachable(false);
        fail(new ServiceError('The connection was lost.', { code: 'OFFLINE' }));
      });
      request.send(upload.file);
    });
  }
}

const tooLarge = (file, limit) => `The file has ${bytes(file.size)}; the limit is ${bytes(limit)}.`;

/** Returns what is wrong with an upload. The problem of a size ends with the limit in bytes. */
function invalid({ message, problems }, file) {
  const limit = /\d+$/.exec(problems.find(({ field }) => field === 'sizeBytes')?.message ?? '');
  return limit ? tooLarge(file, Number(limit[0])) : message;
}

function refusal({ status, responseText }) {
  try {
    return JSON.parse(responseText).message;
  } catch {
    return `The upload was rejected (${status}).`;
  }
}

function randomKey() {
  // crypto.randomUUID is missing on pages loaded by plain http from another machine.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, '0')).join('');
}
