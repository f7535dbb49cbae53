const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** @type {Record<string, string>} */
export const CALLBACK = {
  PENDING: 'Not sent yet',
  DELIVERED: 'Delivered',
  RETRYING: 'Will be retried',
  GAVE_UP: 'Given up',
};

/** @param {string} text */
export const moment = (text) => MOMENT.format(new Date(text));
