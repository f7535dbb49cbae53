import { useEffect } from 'preact/hooks';

/**
 * A part of the page that can be closed; its lists are read while it is open.
 * @param {{
 *   id: string, title: string, note?: string, open?: boolean,
 *   lists: import('./list.js').List[],
 *   children: import('preact').ComponentChildren,
 * }} props
 */
export function Section({ id, title, note, open = false, lists, children }) {
  useEffect(() => () => lists.forEach((list) => list.toggle(false)), []);
  const toggle = (/** @type {Event & {currentTarget: HTMLDetailsElement}} */ { currentTarget }) => {
    for (const list of lists) list.toggle(currentTarget.open).catch(() => {}); // the next refresh tells
  };
  return (
    <details class="card" open={open} onToggle={toggle}>
      <summary id={id}>
        <h2>{title}</h2>
        {note && <span class="note">{note}</span>}
      </summary>
      {children}
    </details>
  );
}
