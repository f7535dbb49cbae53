import { render } from 'preact';

import '../page.css';
import './admin.css';
import { Session } from '../api/session.js';
import { Notices } from '../state/notices.js';
import { AdminClient } from './client.js';
import { Console } from './console.js';
import { Page } from './Page.jsx';

const session = new Session(sessionStorage, document, localStorage);
session.watch(() => location.reload());
const notices = new Notices();
const console = new Console({ client: new AdminClient(session), session, notices });
render(<Page console={console} />, /** @type {HTMLElement} */ (document.getElementById('page')));
const end = new AbortController();
addEventListener('visibilitychange', () => {
  if (!document.hidden && console.refused.value === null) console.refresh();
});
console.start(end.signal);
