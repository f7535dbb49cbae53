/**
 * @template R
 * @typedef {[heading: string, cell: (row: R) => import('preact').ComponentChildren, kind?: 'number' | 'actions' | 'text']} Column
 */

/**
 * A table that scrolls sideways where the screen is narrow.
 * @template R
 * @param {{label: string, columns: Column<R>[], rows: R[], keyOf: (row: R) => string, empty?: string}} props
 */
export function Table({ label, columns, rows, keyOf, empty = 'None.' }) {
  if (!rows.length) return <p class="hint">{empty}</p>;
  return (
    <div class="scroll" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map(([heading, , kind]) => (
              <th scope="col" key={heading} class={kind}>{kind === 'actions' ? <span class="unseen">{heading}</span> : heading}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(([heading, cell, kind], index) => (
                index === 0
                  ? <th scope="row" key={heading}>{cell(row)}</th>
                  : <td key={heading} class={kind}>{cell(row)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/**
 * A list that is read while its part of the page is open, as a table.
 * @template R
 * @param {{list: import('./list.js').List, label: string, columns: Column<R>[], keyOf: (row: R) => string, empty: string}} props
 */
export function ListTable({ list, ...table }) {
  const rows = list.items.value;
  if (!rows) return <p class="hint">Loading …</p>;
  return (
    <>
      <Table rows={rows} {...table} />
      {list.canGrow && <p><button type="button" onClick={() => list.more()}>Show more</button></p>}
      {list.hasNext.value && !list.canGrow && <p class="hint">There are more: the API and the commands list all.</p>}
    </>
  );
}

/** A time, as how long it is away. @param {{at: string | null, none?: string}} props */
export function Time({ at, none = 'never' }) {
  if (!at) return <>{none}</>;
  return <time dateTime={at} title={new Date(at).toLocaleString()}>{away(Date.parse(at) - Date.now())}</time>;
}

/** Returns how far a time is away, as "3 minutes ago". @param {number} milliseconds */
export function away(milliseconds) {
  const words = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
  const seconds = milliseconds / 1000;
  for (const [unit, length] of /** @type {const} */ ([['day', 86_400], ['hour', 3600], ['minute', 60]])) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
  }
  return words.format(Math.trunc(seconds), 'second');
}
