/** What to do about a picture that could not be labelled. @type {Record<string, string>} */
const REMEDY = {
  CONTENT_TYPE_MISMATCH: 'Label it again: its type is now read from its bytes.',
  CORRUPT_IMAGE: 'Upload the file again, from its source if that is possible, and delete this one.',
  TOO_MANY_PIXELS: 'Make the picture smaller and upload it again.',
  TOO_LARGE: 'Save the picture with fewer bytes and upload it again.',
  UNSUPPORTED_FORMAT: 'Save the picture as JPEG or PNG and upload it again.',
  ORIGINAL_MISSING: 'Upload the file again, and delete this one.',
  LABELLER_UNAVAILABLE: 'Label it again. If that fails too, tell the operator of the service.',
};

const NEEDS_ANOTHER_FILE = new Set(['CORRUPT_IMAGE', 'TOO_MANY_PIXELS', 'TOO_LARGE', 'UNSUPPORTED_FORMAT', 'ORIGINAL_MISSING']);

/** Returns what to do about a failure. @param {import('../types').Failure} failure */
export const remedyOf = ({ code }) => REMEDY[code] ?? 'Label it again.';

/** Tells whether the same bytes may be labelled at another try. @param {import('../types').Failure} failure */
export const mayRelabel = ({ code }) => !NEEDS_ANOTHER_FILE.has(code);
