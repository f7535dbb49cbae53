import { render } from 'preact';

import './page.css';
import { App } from './app.js';
import { loadViewer, Page } from './ui/Page.jsx';

const app = new App();
render(<Page app={app} />, /** @type {HTMLElement} */ (document.getElementById('page')));
// What follows is loaded after the first pictures, and is there when it is used.
app.start().finally(() => Promise.all([loadViewer(), app.loadUploads()]).catch(() => {}));
