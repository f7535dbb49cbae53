import { ServiceError } from './client.js';

/** An error that a retry can't fix. `remedy` says what can. */
export class FinalError extends ServiceError {
  /** @param {string} message @param {string} remedy */
  constructor(message, remedy) {
    super(message);
    this.remedy = remedy;
  }
}

/** The file exceeds the limit of the store. */
export class TooLargeError extends FinalError {}

/**
 * Sends a file's bytes, with XMLHttpRequest because fetch reports no progress. Throws ServiceError.
 * @param {File} file
 * @param {{method: string, url: string, headers: {name: string, value: string}[]}} target
 * @param {(part: number) => void} onProgress receives the part that was sent, from 0 to 1
 * @returns {Promise<void>}
 */
export function put(file, { method, url, headers }, onProgress) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const { name, value } of headers) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(loaded / total));
    request.addEventListener('load', () => {
      const { status } = request;
      if (status < 300 || status === 409 || status === 412) done(); // 409, 412: it was uploaded before
      else if (status === 413) fail(new TooLargeError('The file is too large.', 'Send a smaller file.'));
      else if (status >= 500 || status === 408 || status === 429) {
        fail(new ServiceError(`The upload failed with status ${status}.`, { code: 'SERVICE_UNAVAILABLE' }));
      } else fail(new ServiceError(refusal(request)));
    });
    request.addEventListener('error', () => fail(new ServiceError('The connection was lost.', { code: 'OFFLINE' })));
    request.send(file);
  });
}

/** @param {XMLHttpRequest} request */
function refusal({ status, responseText }) {
  try {
    return JSON.parse(responseText).message;
  } catch {
    return `The upload was rejected (${status}).`;
  }
}
