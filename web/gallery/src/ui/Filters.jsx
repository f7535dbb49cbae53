import { allowsOrder, isChanged } from '../text/search.js';

const STATES = [['', 'Any status'], ['LABELLED', 'Labelled'], ['LABELLING', 'Being labelled'], ['FAILED', 'Failed']];
const ORDERS = [['NEWEST', 'Newest first'], ['OLDEST', 'Oldest first'], ['CONFIDENCE', 'Most confident first']];

/** The filters for status and date, and the order. @param {{app: import('../app.js').App}} props */
export function Filters({ app }) {
  const search = app.collection.search.value;
  const { status, from, to, order } = search;
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
      {isChanged(search) && <button type="button" onClick={() => app.search({ status: '', from: '', to: '', order: 'NEWEST' })}>Reset</button>}
    </>
  );
}
