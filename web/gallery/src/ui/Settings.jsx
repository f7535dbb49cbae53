import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { VIEWER } from '../api/operations-on-demand.js';
import { forPeople } from '../api/sign-in.js';
import { Dialog } from './Dialog.jsx';

/** The settings: signing in and out. @param {{app: import('../app.js').App}} props */
export function Settings({ app }) {
  const shown = app.settings.value;
  const close = () => { app.settings.value = null; };
  return (
    <Dialog id="settings" open={shown !== null} notices={app.notices} onClose={close}>
      <Form app={app} shown={shown} close={close} />
    </Dialog>
  );
}

/** @param {{app: import('../app.js').App, shown: import('../app.js').App['settings']['value'], close: () => void}} props */
function Form({ app, shown, close }) {
  const { session } = app;
  const problem = useSignal('');
  const busy = useSignal(false);
  const who = useSignal(/** @type {{owner: string, scopes: string[]} | null} */ (null));
  useEffect(() => { session.caller().then((caller) => { who.value = caller; }); }, []);
  const change = async (/** @type {string} */ key) => {
    busy.value = true;
    try {
      // On another host nothing else checks the key. The operation needs no scope: a key may be for uploads alone.
      if (key && session.isElsewhere) await app.client.ask(VIEWER, {}, { key });
      problem.value = (await app.changeKey(key)) ?? '';
    } catch (error) {
      problem.value = forPeople(error.message) ?? '';
    } finally {
      busy.value = false;
    }
  };
  const save = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    change(String(form.get('key')).trim());
  };
  const admin = new URL('admin', session.page.baseURI).href;
  return (
    <form onSubmit={save}>
      <h2 id="settings-title">{shown === 'settings' ? 'Settings' : 'Sign in'}</h2>
      <p role="alert" class={problem.value ? 'failed' : ''}>{problem}</p>
      {shown === 'sign in' && !problem.value && history.state === 'signed out' && <p role="status">You are signed out.</p>}
      {shown === 'no pictures' && (
        <p>
          This key opens no pictures, because it lacks the scope “read”. Sign in with another key.
          {!session.isElsewhere && <> An operator’s key opens <a href={admin}>the operator’s page</a>.</>}
        </p>
      )}
      {who.value && <p>Signed in as {who.value.owner}.</p>}
      <label>
        API key
        <input name="key" type="password" required autocomplete="off" spellcheck={false} />
      </label>
      <p class="hint">
        {session.isElsewhere
          ? 'This tab keeps the key until you close it.'
          : 'The key is sent once and not stored: you stay signed in for two weeks. The operator creates keys; a service on your own machine needs none.'}
      </p>
      <p class="actions">
        <span class="others">
          <a href={session.endpoint.href}>GraphiQL</a>
          {who.value?.scopes.includes('operator') && <a href={admin}>Admin</a>}
          <button type="button" class="link" onClick={() => { close(); app.help.value = true; }}>Keys</button>
        </span>
        {who.value && <button type="button" class="quiet" disabled={busy.value} onClick={() => change('')}>Sign out</button>}
        <button type="button" class="quiet" onClick={close}>Cancel</button>
        <button class="primary" disabled={busy.value}>Sign in</button>
      </p>
    </form>
  );
}
