import { render } from 'preact';

import './page.css';
import { App } from './app.js';
import { loadViewer, Page } from './ui/Page.jsx';

const app = new App();
render(<Page app={app} />, /** @type {HTMLElement} */ (document.getElementById('page')));
// What follows is loaded after the first pictures, which need all connections, and is there when it is used.
app.start().finally(async () => {
  await new Promise(requestAnimationFrame); // draws them
  await Promise.allSettled(Array.from(document.images, (image) => image.decode()));
  await Promise.all([loadViewer(), app.loadUploads()]).catch(() => {});
});
