import { ask, endpoint, keepSettings, settings } from './api.js';
import { byId, make } from './dom.js';

/** Asks for the API's address and key, kept in this browser only; `onChange` is told when they are. */
export function openSettings(onChange, message = '') {
  const dialog = byId('settings');
  if (dialog.open) return;
  const url = make('input', { type: 'url', value: settings.url, placeholder: endpoint().href, spellcheck: false });
  const key = make('input', { type: 'password', value: settings.key, autocomplete: 'off', spellcheck: false });
  const said = make('p', { role: 'alert', className: message ? 'failed' : '' }, message);
  const form = make(
    'form',
    {
      onsubmit: async (event) => {
        event.preventDefault();
        const before = { ...settings };
        keepSettings({ url: url.value.trim(), key: key.value.trim() });
        try {
          await ask('{ blobs(first: 1) { nodes { id } } }');
          dialog.close();
          onChange();
        } catch (trouble) {
          keepSettings(before);
          said.className = 'failed';
          said.textContent = trouble.message;
        }
      },
    },
    make('h2', { id: 'settings-title' }, 'Settings'),
    said,
    make('label', {}, 'Address of the API', url),
    make('label', {}, 'API key', key),
    make('p', { className: 'hint' }, 'Both stay in this browser. On your own machine neither is needed.'),
    make('p', { className: 'actions' },
      make('a', { href: endpoint().href }, 'GraphiQL'),
      make('button', { type: 'button', className: 'quiet', onclick: () => dialog.close() }, 'Cancel'),
      make('button', { className: 'primary' }, 'Keep')),
  );
  dialog.replaceChildren(form);
  dialog.showModal();
}
