const MONTH = new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric' });

/** Returns a day of this browser's time zone as a number: 20260131. @param {Date} date */
export const dayOf = (date) => date.getFullYear() * 10_000 + (date.getMonth() + 1) * 100 + date.getDate();

/** Returns the heading of a day, as dayOf has it: "Today", "Yesterday" or the month. @param {number} day @param {Date} now */
export function headingOfDay(day, now) {
  if (day >= dayOf(now)) return 'Today';
  if (day === dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1))) return 'Yesterday';
  return MONTH.format(new Date(Math.floor(day / 10_000), Math.floor(day / 100) % 100 - 1));
}

/** Returns a function for the headings of a collection's pictures by their places: empty where the order is not by date. @param {import('../state/collection.js').Collection} collection */
export function headingsOf({ order, days, search }) {
  if (search.value.order === 'CONFIDENCE') return () => '';
  const now = new Date();
  /** @type {Map<number, string>} */
  const known = new Map();
  return (/** @type {number} */ place) => {
    const day = days.get(order[place]) ?? 0;
    const heading = known.get(day) ?? headingOfDay(day, now);
    known.set(day, heading);
    return heading;
  };
}
