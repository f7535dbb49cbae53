const NUMBER = new Intl.NumberFormat();
const PERCENT = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

/** @type {Record<string, string>} */
export const STATUS = {
  AWAITING_UPLOAD: 'Waiting for the upload',
  LABELLING: 'Being labelled',
  LABELLED: 'Labelled',
  FAILED: 'Could not be labelled',
  EXPIRED: 'Expired: the upload never arrived',
};

/** @type {Record<string, string>} */
const FAILURE = {
  CONTENT_TYPE_MISMATCH: 'The file’s type differs from the declared type.',
  CORRUPT_IMAGE: 'The file is damaged.',
  TOO_MANY_PIXELS: 'The picture has too many pixels.',
  TOO_LARGE: 'The file is too large.',
  UNSUPPORTED_FORMAT: 'This type of file can’t be labelled here.',
  ORIGINAL_MISSING: 'The file is missing.',
  LABELLER_UNAVAILABLE: 'The labeller could not be reached.',
};

/** @param {import('../types').Failure} failure */
export const failureText = ({ code, message }) => FAILURE[code] ?? message;
/** @param {number} number */
export const count = (number) => NUMBER.format(number);
/** @param {number} number */
export const pictures = (number) => (number === 1 ? '1 picture' : `${count(number)} pictures`);
/** @param {number} confidence */
export const percent = (confidence) => `${PERCENT.format(confidence)}%`;

/** @param {number | null | undefined} size */
export function bytes(size) {
  if (size === null || size === undefined) return 'unknown';
  if (size < 1000) return `${size} bytes`;
  if (size < 1e6) return `${(size / 1e3).toFixed(0)} kB`;
  return size < 1e9 ? `${(size / 1e6).toFixed(1)} MB` : `${(size / 1e9).toFixed(1)} GB`;
}

// Labels below this confidence are suggestions, in per cent: the least that the API returns unless told otherwise.
const SURE = 55;

/** Tells whether a label is only a suggestion, that nobody confirmed. @param {{confidence: number, confirmedAt: string | null}} label */
export const isSuggestion = ({ confidence, confirmedAt }) => !confirmedAt && confidence < SURE;

// Labels that tell less than what they are a part of, although they name it as their parent.
const PARTS = ['Face', 'Head', 'Hair', 'Hand'];
const SIMILAR = 2 / 3; // of a label's confidence: a kind of it that has less does not stand for it

/**
 * Returns the labels with the telling ones first: those of which no kind is there with a similar confidence, then the
 * others from the specific to the general, then parts. Suggestions come last, in the same order.
 * @template {import('../types').Label} L
 * @param {L[]} labels
 */
export function telling(labels) {
  return [false, true].flatMap((suggested) => {
    const those = labels.filter((label) => isSuggestion(label) === suggested);
    const kinds = those.filter(({ name }) => !PARTS.includes(name));
    const standIn = (/** @type {L[]} */ others, /** @type {L} */ { name, confidence }) => (
      others.some((kind) => kind.parents.includes(name) && kind.confidence >= SIMILAR * confidence)
    );
    const specific = kinds.filter((label) => !standIn(kinds, label));
    const general = kinds.filter((label) => standIn(specific, label));
    return [
      ...kinds.filter((label) => !general.includes(label)),
      ...general.sort((one, other) => other.parents.length - one.parents.length),
      ...those.filter((label) => !kinds.includes(label)),
    ];
  });
}

/** Returns a label's name, marked if it is a suggestion. @param {import('../types').Label} label */
export const named = (label) => (isSuggestion(label) ? `Perhaps ${label.name}` : label.name);

/** Returns a picture's title: its first label, or its status. @param {import('../types').Tile} blob */
export function title(blob) {
  if (blob.failure) return STATUS.FAILED;
  if (!blob.labels) return STATUS[blob.status] ?? blob.status;
  return blob.labels.length ? named(telling(blob.labels)[0]) : 'Nothing found';
}

/** Returns what a picture shows, in one line. @param {import('../types').Tile} blob */
export function described(blob) {
  if (blob.failure) return `${STATUS.FAILED}: ${failureText(blob.failure)}`;
  if (!blob.labels?.length) return title(blob);
  return telling(blob.labels).slice(0, 3).map((label) => `${named(label)} ${percent(label.confidence)}`).join(', ');
}

/** Returns a label with the other word that found it, as "Couch (Sofa)". @param {string} label @param {string | null} word */
export function withWord(label, word) {
  return word && word.toLowerCase() !== label.toLowerCase() ? `${label} (${word})` : label;
}

/** @type {Record<string, string>} */
const OF_STATUS = { LABELLED: 'Labelled pictures', LABELLING: 'Pictures that are being labelled', FAILED: 'Pictures that could not be labelled', NOTHING: 'Pictures in which nothing was found' };
/** @type {Record<string, string>} */
const IN_ORDER = { NEWEST: 'newest first', OLDEST: 'oldest first', CONFIDENCE: 'most confident first' };
/** @type {Record<string, string>} */
const CONFIRMED = { yes: 'with labels that you confirmed', no: 'with labels that you did not confirm' };

/** Returns the heading of a collection: what its search means. @param {import('../types').Search} search @param {Map<string, string | null>} meant */
export function headingOf({ labels, status, type, confirmed, from, to, order }, meant) {
  const names = labels.map((name) => withWord(meant.get(name) ?? name, name)).join(' and ');
  const what = OF_STATUS[status] ?? (names || type || confirmed || from || to ? 'Pictures' : 'All pictures');
  const also = [type, CONFIRMED[confirmed]].map((text) => (text ? `, ${text}` : '')).join('');
  const when = `${from ? ` from ${from}` : ''}${to ? ` until ${to}` : ''}`;
  const sorted = names && order === 'NEWEST' ? '' : `, ${IN_ORDER[order]}`;
  return `${what}${names ? ` of ${names}` : ''}${when}${also}${sorted}`;
}
