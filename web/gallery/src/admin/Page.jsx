import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { Dialog } from '../ui/Dialog.jsx';
import { Messages } from '../ui/Messages.jsx';
import { DeadLetters } from './DeadLetters.jsx';
import { Keys, Owners } from './Owners.jsx';
import { Overview } from './Overview.jsx';
import { Time } from './Table.jsx';
import { Endpoints, Webhooks } from './Webhooks.jsx';

/** @typedef {{console: import('./console.js').Console}} Props */

/** The whole page. @param {Props} props */
export function Page({ console }) {
  const status = console.status.value;
  const refused = console.refused.value;
  const problem = refused === null ? console.problem.value : '';
  return (
    <>
      <a class="skip" href="#content">Skip to the content</a>
      <header>
        <h1>Admin</h1>
        <nav>
          <a class="place-link" href="./">Pictures</a>
          <a class="place-link" href="graphql">GraphiQL</a>
          {console.who.value && <button type="button" class="quiet" onClick={() => console.signOut()}>Sign out</button>}
        </nav>
      </header>
      <p id="outage" role="alert" hidden={!problem}>{problem && `${problem} What is shown is older. Trying again …`}</p>
      <main id="content" tabIndex={-1}>
        {refused !== null && <SignIn console={console} reason={refused} />}
        {refused === null && !status && <p class="hint" role="status">Loading …</p>}
        {refused === null && status && (
          <>
            <p class="hint">As of <Time at={status.at} />. It is read again every few seconds.</p>
            <Overview console={console} status={status} />
            <DeadLetters console={console} status={status} />
            <Webhooks console={console} status={status} />
            <Endpoints console={console} status={status} />
            <Owners console={console} status={status} />
            <Keys console={console} status={status} />
          </>
        )}
      </main>
      <Confirmation console={console} />
      <Messages notices={console.notices} within={null} />
    </>
  );
}

/** Asks for an operator's key. @param {Props & {reason: string}} props */
function SignIn({ console, reason }) {
  const problem = useSignal('');
  const busy = useSignal(false);
  const save = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    busy.value = true;
    problem.value = await console.signIn(String(form.get('key')).trim());
    busy.value = false;
  };
  return (
    <form class="card" id="sign-in" onSubmit={save}>
      <h2>Sign in as the operator</h2>
      <p role="alert" class="failed" hidden={!(problem.value || reason)}>{problem.value || reason}</p>
      <label>
        API key
        <input name="key" type="password" required autocomplete="off" spellcheck={false} />
      </label>
      <p class="hint">
        Make one with <code>labelling keys create --owner ops --scope operator</code>. The gallery uses the same sign-in: a
        key that also has the scope read opens both.
      </p>
      <p class="actions"><button class="primary" disabled={busy.value}>Sign in</button></p>
    </form>
  );
}

/** Asks before something is changed. @param {Props} props */
function Confirmation({ console }) {
  const action = console.confirming.value;
  const close = () => { console.confirming.value = null; };
  useEffect(() => {
    if (!action) return undefined;
    // The button that was pressed may be gone: the focus then stays in its part of the page.
    const { section } = action;
    return () => requestAnimationFrame(() => {
      if (document.activeElement === document.body) document.getElementById(section)?.focus();
    });
  }, [action]);
  const act = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    console.confirm().finally(() => {
      if (action && document.activeElement === document.body) document.getElementById(action.section)?.focus();
    });
  };
  return (
    <Dialog id="confirmation" open={action !== null} notices={console.notices} onClose={close}>
      <form onSubmit={act}>
        <h2 id="confirmation-title">{action?.title}</h2>
        <p>{action?.text}</p>
        <p class="actions">
          <button type="button" class="quiet" onClick={close}>Cancel</button>
          <button class="primary">{action?.label}</button>
        </p>
      </form>
    </Dialog>
  );
}
