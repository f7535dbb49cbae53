const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** What to do about a failure. @type {Record<string, string>} */
const REMEDY = {
  CONTENT_TYPE_MISMATCH: 'Label it again: its type is now read from its bytes.',
  CORRUPT_IMAGE: 'Upload the file again, from its source if that is possible, and delete this one.',
  TOO_MANY_PIXELS: 'Make the picture smaller and upload it again.',
  TOO_LARGE: 'Save the picture with fewer bytes and upload it again.',
  UNSUPPORTED_FORMAT: 'Save the picture as JPEG or PNG and upload it again.',
  ORIGINAL_MISSING: 'Upload the file again, and delete this one.',
  LABELLER_UNAVAILABLE: 'Label it again. If that fails too, tell the operator of the service.',
};

/** @type {Record<string, string>} */
export const CALLBACK = {
  PENDING: 'Not sent yet',
  DELIVERED: 'Delivered',
  RETRYING: 'Will be retried',
  GAVE_UP: 'Given up',
};

/** Returns what to do about a failure. @param {import('../types').Failure} failure */
export const remedyOf = ({ code }) => REMEDY[code] ?? 'Label it again.';

/** @param {string} text */
export const moment = (text) => MOMENT.format(new Date(text));
