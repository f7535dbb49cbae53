import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { download } from '../state/archive.js';
import { count } from '../text/words.js';
import { Combobox } from './Combobox.jsx';
import { Dialog } from './Dialog.jsx';

/** What can be done with the selected pictures. @param {{app: import('../app.js').App}} props */
export function SelectionBar({ app }) {
  const { selection, bulk } = app;
  const number = selection.keys.value.size;
  const asking = useSignal(/** @type {'add' | 'remove' | null} */ (null));
  if (!number) return null;
  /** Ends the selection. The focus returns to the grid, because this bar disappears. */
  const end = () => {
    selection.clear();
    requestAnimationFrame(() => app.grid?.focusCurrent());
  };
  const label = (/** @type {string} */ name) => {
    const ids = selection.ids;
    const adds = asking.value === 'add';
    asking.value = null;
    if (name) (adds ? bulk.addLabel(ids, name) : bulk.removeLabel(ids, name));
  };
  return (
    <section id="selection" aria-label="Selected pictures">
      <span role="status">{count(number)} selected</span>
      <button type="button" onClick={() => { asking.value = 'add'; }}>Add label</button>
      <button type="button" onClick={() => { asking.value = 'remove'; }}>Remove label</button>
      <button type="button" onClick={() => { bulk.relabel(selection.ids); end(); }}>Label again</button>
      <button type="button" onClick={() => download(selection.ids, app)}>Download</button>
      <button type="button" onClick={() => { app.deletions.remove(selection.ids); end(); }}>Delete</button>
      <button type="button" class="quiet" onClick={() => selection.all()}>Select all</button>
      <button type="button" class="quiet" onClick={end}>Clear selection</button>
      <Dialog id="naming" open={asking.value !== null} notices={app.notices} onClose={() => { asking.value = null; }}>
        <Naming app={app} title={asking.value === 'add' ? 'Add a label' : 'Remove a label'} onPick={label} />
      </Dialog>
    </section>
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
