import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { download } from '../state/archive.js';
import { Bulk } from '../state/bulk.js';
import { exportLabels } from '../state/export.js';
import { count, pictures } from '../text/words.js';
import { Combobox } from './Combobox.jsx';
import { Dialog } from './Dialog.jsx';

/** What can be done with the selected pictures. @param {{app: import('../app.js').App}} props */
export function SelectionBar({ app }) {
  const { selection, client, notices } = app;
  const number = selection.keys.value.size;
  const asking = useSignal(/** @type {'add' | 'remove' | 'export' | null} */ (null));
  if (!number) return null;
  /** Ends the selection. The focus returns to the grid, because this bar disappears. */
  const end = () => {
    selection.clear();
    requestAnimationFrame(() => app.grid?.focusCurrent());
  };
  const bulk = () => new Bulk({ client, notices, watch: (blob) => app.updates.watch(blob), reload: (ids) => app.reload(ids) });
  const label = (/** @type {string} */ name) => {
    const ids = selection.ids;
    const adds = asking.value === 'add';
    asking.value = null;
    if (name) (adds ? bulk().addLabel(ids, name) : bulk().removeLabel(ids, name));
  };
  return (
    <section id="selection" aria-label="Selected pictures" onKeyDown={({ key }) => { if (key === 'Escape' && !asking.value) end(); }}>
      <span role="status">{count(number)} selected</span>
      <button type="button" onClick={() => { asking.value = 'add'; }}>Add label</button>
      <button type="button" onClick={() => { asking.value = 'remove'; }}>Remove label</button>
      <button type="button" onClick={() => { bulk().relabel(selection.ids); end(); }}>Label again</button>
      <button type="button" onClick={() => download(selection.ids, app)}>Download</button>
      <button type="button" onClick={() => { asking.value = 'export'; }}>Export</button>
      <button type="button" onClick={() => { app.deletions.remove(selection.ids); end(); }}>Delete</button>
      <button type="button" class="quiet" onClick={() => selection.all()}>Select all</button>
      <button type="button" class="quiet" onClick={end}>Clear selection</button>
      <Dialog id="exporting" open={asking.value === 'export'} notices={app.notices} onClose={() => { asking.value = null; }}>
        <Exporting number={number} onPick={(format) => {
          asking.value = null;
          if (format) exportLabels(selection.ids, format, app);
        }} />
      </Dialog>
      <Dialog id="naming" open={asking.value === 'add' || asking.value === 'remove'} notices={app.notices} onClose={() => { asking.value = null; }}>
        <Naming app={app} title={asking.value === 'add' ? 'Add a label' : 'Remove a label'} onPick={label} />
      </Dialog>
    </section>
  );
}

/** @param {{number: number, onPick: (format: 'csv' | 'jsonl' | null) => void}} props */
function Exporting({ number, onPick }) {
  return (
    <>
      <h2 id="exporting-title">Export the labels of {pictures(number)}</h2>
      <p class="hint">CSV has a row for each label and opens in spreadsheets. JSON Lines has all of a picture in a line, for programs.</p>
      <p class="actions">
        <button type="button" class="quiet" onClick={() => onPick(null)}>Cancel</button>
        <button type="button" onClick={() => onPick('jsonl')}>JSON Lines</button>
        <button type="button" class="primary" onClick={() => onPick('csv')}>CSV</button>
      </p>
    </>
  );
}

/** @param {{app: import('../app.js').App, title: string, onPick: (name: string) => void}} props */
function Naming({ app, title, onPick }) {
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <h2 id="naming-title">{title}</h2>
      <div class="field">
        <Combobox id="naming-label" client={app.client} input={box} name="Label" placeholder="Label" without={[]} exact onPick={onPick} />
      </div>
      <p class="actions">
        <button type="button" class="quiet" onClick={() => onPick('')}>Cancel</button>
        <button type="button" class="primary" onClick={() => onPick(box.current?.value.trim() ?? '')}>{title}</button>
      </p>
    </form>
  );
}
