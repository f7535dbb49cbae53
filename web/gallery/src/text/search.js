// A search, as the address of the page and as a filter of the API.
const MAX_LABELS = 10; // the API's limit
const STATES = ['LABELLING', 'LABELLED', 'FAILED'];
const NOTHING = 'NOTHING'; // labelled, and nothing was found
const ORDERS = ['NEWEST', 'OLDEST', 'CONFIDENCE'];
/** The image types of the API. */
export const TYPES = ['JPEG', 'PNG', 'WEBP', 'GIF', 'AVIF', 'HEIC', 'TIFF', 'BMP'];
const DAY = /^\d{4}-\d\d-\d\d$/;

/** @typedef {import('../types').Search} Search */

/** Every picture, newest first. @type {Readonly<Search>} */
export const EVERYTHING = Object.freeze({ labels: [], least: 0, status: '', type: '', confirmed: '', from: '', to: '', order: 'NEWEST' });

/** Returns the search in the parameters of an address; `least` is used where there is none. @param {string} query @param {number} least @returns {Search} */
export function readSearch(query, least = 0) {
  const parameters = new URLSearchParams(query);
  const one = (/** @type {string} */ name) => parameters.get(name) ?? '';
  const status = one('status').toUpperCase();
  const type = one('type').toUpperCase();
  const confirmed = one('confirmed');
  const order = one('order').toUpperCase();
  const day = (/** @type {string} */ name) => (DAY.test(one(name)) ? one(name) : '');
  const labels = parameters.getAll('label').slice(0, MAX_LABELS);
  return {
    labels,
    least: Math.min(100, Math.max(0, Number(parameters.get('least') ?? least) || 0)),
    status: /** @type {Search['status']} */ ([...STATES, NOTHING].includes(status) ? status : ''),
    type: TYPES.includes(type) ? type : '',
    confirmed: confirmed === 'yes' || confirmed === 'no' ? confirmed : '',
    from: day('from'),
    to: day('to'),
    order: /** @type {Search['order']} */ (ORDERS.includes(order) && allowsOrder(order, labels) ? order : 'NEWEST'),
  };
}

/** Tells whether the API can sort so: by confidence only where there is one label. @param {string} order @param {string[]} labels */
export const allowsOrder = (order, labels) => order !== 'CONFIDENCE' || labels.length === 1;

/** Returns the address of a search: `#/search?label=Cat&least=60`. @param {Search} search */
export function writeSearch({ labels, least, status, type, confirmed, from, to, order }) {
  const query = new URLSearchParams(labels.map((label) => ['label', label]));
  if (labels.length) query.set('least', String(least));
  if (status) query.set('status', status.toLowerCase());
  if (type) query.set('type', type.toLowerCase());
  if (confirmed) query.set('confirmed', confirmed);
  if (from) query.set('from', from);
  if (to) query.set('to', to);
  if (order !== 'NEWEST' && allowsOrder(order, labels)) query.set('order', order.toLowerCase());
  const text = query.toString();
  return text ? `#/search?${text}` : '#/';
}

/** Returns the API's filter for a search. Days are those of this browser's time zone. @param {Search} search */
export function filterOf({ labels, least, status, type, confirmed, from, to }) {
  const nothing = status === NOTHING;
  const states = nothing ? ['LABELLED'] : status ? [status] : labels.length ? null : STATES;
  return {
    ...(states && { status: states }),
    ...(from && { createdAfter: startOf(from, 0).toISOString() }),
    ...(to && { createdBefore: startOf(to, 1).toISOString() }),
    ...(type && { contentTypes: [type] }),
    ...((labels.length > 0 || confirmed || nothing) && {
      labels: {
        ...(labels.length && { all: labels, minConfidence: least }),
        ...(confirmed && { confirmed: confirmed === 'yes' }),
        ...(nothing && { found: false }),
      },
    }),
  };
}

/** Returns the start of a day, or of a day after it. @param {string} day @param {number} later */
export function startOf(day, later) {
  const [year, month, date] = day.split('-').map(Number);
  return new Date(year, month - 1, date + later);
}

/** Tells whether a search has conditions beside its labels. @param {Search} search */
export const isFiltered = ({ status, type, confirmed, from, to }) => Boolean(status || type || confirmed || from || to);

/** Tells whether a search has filters or an order of its own. @param {Search} search */
export const isChanged = (search) => isFiltered(search) || search.order !== EVERYTHING.order;

/** Tells whether two searches find the same in the same order. @param {Search} one @param {Search} other */
export const isSame = (one, other) => writeSearch(one) === writeSearch(other);
