import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { Combobox } from './Combobox.jsx';
import { isChanged } from '../text/search.js';
import { Later } from './Later.jsx';
import { Menu } from './Menu.jsx';

const MAX_LABELS = 10; // the API's limit

const loadFilters = () => import('./Filters.jsx').then(({ Filters }) => Filters);

/** The search for labels. @param {{app: import('../app.js').App}} props */
export function Search({ app }) {
  const { labels, least } = app.collection.search.value;
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const pick = (/** @type {string} */ label) => {
    if (label && !labels.some((each) => each.toLowerCase() === label.toLowerCase())) app.search({ labels: [...labels, label] });
  };
  const drop = (/** @type {string} */ label) => {
    box.current?.focus();
    app.search({ labels: labels.filter((each) => each !== label) });
  };
  return (
    <search>
      <form id="search" autocomplete="off" onSubmit={(event) => event.preventDefault()} onPointerDown={({ target }) => {
        if (!(/** @type {Element} */ (target).closest('ul, input'))) requestAnimationFrame(() => box.current?.focus());
      }}>
        <ul id="chosen" aria-label="Labels searched for">
          {labels.map((label) => (
            <li key={label}>
              <button type="button" aria-label={`Remove ${label} from the search`} onClick={() => drop(label)}>
                {label}<span aria-hidden="true"> ×</span>
              </button>
            </li>
          ))}
        </ul>
        <Combobox
          id="label"
          client={app.client}
          input={box}
          name="Search by label"
          placeholder={labels.length ? 'and also …' : 'Search by label'}
          disabled={labels.length >= MAX_LABELS}
          without={labels}
          onPick={pick}
          onBackspace={() => { if (labels.length) drop(labels[labels.length - 1]); }}
        />
      </form>
      <Menu name="Filters" id="filters" marked={isChanged(app.collection.search.value)}>
        <Later app={app} load={loadFilters} wanted />
      </Menu>
      {labels.length > 0 && <Least least={least} onChange={(now) => app.search({ least: now })} />}
    </search>
  );
}

/** The minimum confidence, in per cent. @param {{least: number, onChange: (least: number) => void}} props */
function Least({ least, onChange }) {
  const moved = useSignal(/** @type {number | null} */ (null));
  return (
    <label id="confidence">
      <span>At least <output id="least">{moved.value ?? least}</output>%</span>
      <input
        id="least-range"
        type="range"
        min="0"
        max="100"
        step="5"
        value={moved.value ?? least}
        onInput={({ currentTarget }) => { moved.value = Number(currentTarget.value); }}
        onChange={({ currentTarget }) => {
          moved.value = null;
          onChange(Number(currentTarget.value));
        }}
      />
    </label>
  );
}
