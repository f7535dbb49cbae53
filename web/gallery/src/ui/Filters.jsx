import { allowsOrder, EVERYTHING, isChanged, TYPES } from '../text/search.js';

const STATES = [['', 'Any status'], ['LABELLED', 'Labelled'], ['LABELLING', 'Being labelled'], ['NOTHING', 'Nothing found'], ['FAILED', 'Failed']];
const CONFIRMED = [['', 'Any'], ['yes', 'Confirmed or added by you'], ['no', 'Not confirmed by you']];
const ORDERS = [['NEWEST', 'Newest first'], ['OLDEST', 'Oldest first'], ['CONFIDENCE', 'Most confident first']];

/** The filters for status, type, labels and date, and the order. @param {{app: import('../app.js').App}} props */
export function Filters({ app }) {
  const search = app.collection.search.value;
  const { status, type, confirmed, from, to, order } = search;
  const reset = (/** @type {{currentTarget: Element}} */ { currentTarget }) => {
    currentTarget.closest('.panel')?.querySelector('input')?.focus(); // the button disappears
    app.search({ ...EVERYTHING, labels: search.labels, least: search.least });
  };
  return (
    <>
      <fieldset>
        <legend>Status</legend>
        {STATES.map(([value, text]) => (
          <label key={value} class="choice">
            <input type="radio" name="status" checked={status === value} onChange={() => app.search({ status: /** @type {any} */ (value) })} />
            {text}
          </label>
        ))}
      </fieldset>
      <label>
        Type
        <select value={type} onChange={({ currentTarget }) => app.search({ type: currentTarget.value })}>
          <option value="">Any</option>
          {TYPES.map((each) => <option key={each} value={each}>{each}</option>)}
        </select>
      </label>
      <label>
        Labels
        <select value={confirmed} onChange={({ currentTarget }) => app.search({ confirmed: /** @type {any} */ (currentTarget.value) })}>
          {CONFIRMED.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
        </select>
      </label>
      <fieldset>
        <legend>Uploaded</legend>
        <label>From<input type="date" value={from} max={to || undefined} onChange={({ currentTarget }) => app.search({ from: currentTarget.value })} /></label>
        <label>To<input type="date" value={to} min={from || undefined} onChange={({ currentTarget }) => app.search({ to: currentTarget.value })} /></label>
      </fieldset>
      <label>
        Order
        <select value={order} onChange={({ currentTarget }) => app.search({ order: /** @type {any} */ (currentTarget.value) })}>
          {ORDERS.map(([value, text]) => (
            <option key={value} value={value} disabled={!allowsOrder(value, search.labels)}>{text}</option>
          ))}
        </select>
      </label>
      {!allowsOrder('CONFIDENCE', search.labels) && <p class="hint">Search for one label to sort by confidence.</p>}
      {isChanged(search) && <button type="button" onClick={reset}>Reset</button>}
    </>
  );
}
