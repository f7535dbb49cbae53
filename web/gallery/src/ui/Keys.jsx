import { useSignal } from '@preact/signals';

import { Dialog } from './Dialog.jsx';
import { areOn, switchKeys } from './keys.js';
import './keys.css';

/** The keys, by where they work. @type {[string, [string, string][]][]} */
const KEYS = [
  ['Everywhere', [
    ['/', 'Search by label'],
    ['?', 'Show this list'],
    ['Escape', 'Close what is open'],
  ]],
  ['One picture', [
    ['←, →', 'Show the previous or next picture'],
    ['Shift + arrow', 'Move a zoomed picture'],
    ['Delete', 'Delete the picture'],
  ]],
  ['Pictures', [
    ['← ↑ → ↓', 'Go to another picture'],
    ['Home, End', 'Go to the first or last picture'],
    ['Enter', 'Open the picture'],
    ['Space', 'Select the picture'],
    ['Shift + arrow', 'Select up to another picture'],
    ['Ctrl + A', 'Select all'],
    ['Escape', 'Clear the selection'],
  ]],
];

/** The list of keys. @param {{app: import('../app.js').App}} props */
export function Keys({ app }) {
  const close = () => { app.help.value = false; };
  return (
    <Dialog id="keys" open={app.help.value} notices={app.notices} onClose={close}>
      <List close={close} />
    </Dialog>
  );
}

/** @param {{close: () => void}} props */
function List({ close }) {
  const on = useSignal(areOn());
  const change = (/** @type {boolean} */ wanted) => {
    switchKeys(wanted);
    on.value = wanted;
  };
  return (
    <>
      <h2 id="keys-title">Keys</h2>
      <div class="keys">
        {KEYS.map(([where, keys]) => (
          <section key={where}>
            <h3>{where}</h3>
            <dl>{keys.map(([key, what]) => [<dt key={key}><kbd>{key}</kbd></dt>, <dd key={`${key} does`}>{what}</dd>])}</dl>
          </section>
        ))}
      </div>
      <p><label class="choice"><input type="checkbox" checked={on.value} onChange={({ currentTarget }) => change(currentTarget.checked)} /> Use / and ?</label></p>
      <p class="actions"><button type="button" class="primary" autofocus onClick={close}>Close</button></p>
    </>
  );
}
