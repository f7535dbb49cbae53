import { apiKey, ask, endpoint, keepKey } from './api.js';
import { byId, make, openModal } from './dom.js';

/** Asks for the API key, stores it in this browser and calls `onChange`. */
export function openSettings(onChange, message = '') {
  const dialog = byId('settings');
  if (dialog.open) return;
  const key = make('input', { type: 'password', value: apiKey(), autocomplete: 'off', spellcheck: false });
  const said = make('p', { role: 'alert', className: message ? 'failed' : '' }, message);
  const keep = make('button', { className: 'primary' }, 'Save');
  const form = make(
    'form',
    {
      onsubmit: async (event) => {
        event.preventDefault();
        const before = apiKey();
        keep.disabled = true; // one check at a time, because a failed one restores the key before
        keepKey(key.value.trim());
        try {
          await ask('{ viewer { owner } }'); // needs no scope: a key may be for uploads alone
          dialog.close();
          onChange();
        } catch (error) {
          keepKey(before);
          said.className = 'failed';
          said.textContent = error.message;
        } finally {
          keep.disabled = false;
        }
      },
    },
    make('h2', { id: 'settings-title' }, 'Settings'),
    said,
    make('label', {}, 'API key', key),
    make('p', { className: 'hint' }, 'The key is stored in this browser only. A service on your own machine needs none.'),
    make('p', { className: 'actions' },
      make('a', { href: endpoint().href }, 'GraphiQL'),
      make('button', { type: 'button', className: 'quiet', onclick: () => dialog.close() }, 'Cancel'),
      keep),
  );
  dialog.replaceChildren(form);
  openModal(dialog);
}
