import { useSignal } from '@preact/signals';

import { VIEWER } from '../api/operations.js';
import { Dialog } from './Dialog.jsx';

/** The settings: the API key. @param {{app: import('../app.js').App}} props */
export function Settings({ app }) {
  const reason = app.settings.value;
  const close = () => { app.settings.value = null; };
  return (
    <Dialog id="settings" open={reason !== null} notices={app.notices} onClose={close}>
      <Form app={app} reason={reason ?? ''} close={close} />
    </Dialog>
  );
}

/** @param {{app: import('../app.js').App, reason: string, close: () => void}} props */
function Form({ app, reason, close }) {
  const problem = useSignal(reason);
  const checking = useSignal(false);
  const save = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const key = String(form.get('key')).trim();
    checking.value = true;
    try {
      await app.client.ask(VIEWER, {}, { key }); // needs no scope: a key may be for uploads alone
      close();
      app.changeKey(key);
    } catch (error) {
      problem.value = error.message;
    } finally {
      checking.value = false;
    }
  };
  return (
    <form onSubmit={save}>
      <h2 id="settings-title">Settings</h2>
      <p role="alert" class={problem.value ? 'failed' : ''}>{problem}</p>
      <label>
        API key
        <input name="key" type="password" defaultValue={app.session.key} autocomplete="off" spellcheck={false} />
      </label>
      <p class="hint">This browser stores the key until you forget it. A service on your own machine needs none.</p>
      <p class="actions">
        <a href={app.session.endpoint.href}>GraphiQL</a>
        {app.session.key && <button type="button" class="quiet" onClick={() => { close(); app.changeKey(''); }}>Forget the key</button>}
        <button type="button" class="quiet" onClick={close}>Cancel</button>
        <button class="primary" disabled={checking.value}>Save</button>
      </p>
    </form>
  );
}
