import { render } from 'preact';

import './page.css';
import { App } from './app.js';
import { loadViewer, Page } from './ui/Page.jsx';

const app = new App();
render(<Page app={app} />, /** @type {HTMLElement} */ (document.getElementById('page')));
app.start().then(loadViewer).catch(() => {}); // it is there when a picture is opened
