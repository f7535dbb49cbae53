import { useComputed, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { Library } from '../pages/Library.jsx';
import { EVERYTHING, writeSearch } from '../text/search.js';
import { Later } from './Later.jsx';
import { Messages } from './Messages.jsx';
import { Search } from './Search.jsx';

/** @typedef {{app: import('../app.js').App}} Props */

export const loadViewer = () => import('../viewer/Viewer.jsx').then(({ Viewer }) => Viewer);
const loadExplore = () => import('../pages/Explore.jsx').then(({ Explore }) => Explore);
const loadSelectionBar = () => import('./SelectionBar.jsx').then(({ SelectionBar }) => SelectionBar);
const loadUploads = () => import('./Uploads.jsx').then(({ Uploads }) => Uploads);
const loadSettings = () => import('./Settings.jsx').then(({ Settings }) => Settings);
const loadKeys = () => import('./Keys.jsx').then(({ Keys }) => Keys);

/** The whole page. @param {Props} props */
export function Page({ app }) {
  const explores = app.beneath.value === 'explore';
  return (
    <>
      <a class="skip" href="#pictures" onClick={skip}>Skip to the pictures</a>
      <header>
        <h1>Pictures</h1>
        <Search app={app} />
        <nav>
          <Places app={app} />
          <label class="button primary" id="choose">
            <span>Upload</span>
            <input id="files" type="file" accept="image/*" multiple class="unseen" onChange={({ currentTarget }) => {
              app.upload(currentTarget.files ?? []);
              currentTarget.value = '';
            }} />
          </label>
          <button type="button" id="settings-button" class="quiet" onClick={() => { app.settings.value = 'settings'; }}>Settings</button>
        </nav>
      </header>
      <Outage app={app} />
      <Library app={app} hidden={explores} />
      {explores && <Later app={app} load={loadExplore} wanted />}
      <Later app={app} load={loadSelectionBar} wanted={app.selection.keys.value.size > 0} />
      <DropZone app={app} />
      <Later app={app} load={loadUploads} wanted={app.uploads.value !== null} />
      <Later app={app} load={loadViewer} wanted={app.viewer.id.value !== null} />
      <Later app={app} load={loadSettings} wanted={app.settings.value !== null} />
      <Later app={app} load={loadKeys} wanted={app.help.value} />
      <Messages notices={app.notices} within={null} />
    </>
  );
}

/** Moves the focus to the pictures; the address stays that of the search. @param {Event} event */
function skip(event) {
  event.preventDefault();
  /** @type {HTMLElement | null} */ (document.querySelector('main:not([hidden])'))?.focus();
}

/** @param {Props} props */
function Places({ app }) {
  const at = app.beneath.value;
  return (
    <>
      <a class="place-link" href={writeSearch(EVERYTHING)} aria-current={at === 'library' ? 'page' : undefined}>Library</a>
      <a class="place-link" href="#/explore" aria-current={at === 'explore' ? 'page' : undefined}>Explore</a>
    </>
  );
}

/** @param {Props} props */
function Outage({ app }) {
  const reachable = app.session.reachable.value;
  return <p id="outage" role="alert" hidden={reachable}>{reachable ? '' : 'The service can’t be reached. Trying again …'}</p>;
}

/** Takes files that are dropped on the page or pasted. @param {Props} props */
function DropZone({ app }) {
  const over = useSignal(0); // elements that the pointer entered with files and has not left
  const shown = useComputed(() => over.value > 0);
  useEffect(() => {
    const end = new AbortController();
    /** @param {string} type @param {(event: any) => void} act */
    const on = (type, act) => addEventListener(type, act, { signal: end.signal });
    /** @param {(event: DragEvent) => void} act */
    const ofFiles = (act) => (/** @type {DragEvent} */ event) => {
      if ([...(event.dataTransfer?.types ?? [])].includes('Files')) act(event);
    };
    on('dragenter', ofFiles(() => { over.value += 1; }));
    on('dragover', ofFiles((event) => event.preventDefault()));
    on('dragleave', ofFiles(() => { over.value = Math.max(0, over.value - 1); }));
    on('drop', ofFiles((event) => {
      event.preventDefault();
      over.value = 0;
      app.upload(event.dataTransfer?.files ?? []);
    }));
    on('paste', (/** @type {ClipboardEvent} */ { clipboardData }) => {
      app.upload([...(clipboardData?.files ?? [])].filter(({ type }) => type.startsWith('image/')));
    });
    return () => end.abort();
  }, []);
  return <div id="drop" hidden={!shown.value}><p>Drop pictures to upload them</p></div>;
}
