import { useEffect, useMemo } from 'preact/hooks';

import { remedyOf } from '../text/remedies.js';
import { bytes, count, failureText, STATUS, title } from '../text/words.js';
import { Actions } from '../state/actions.js';
import { Corrections } from '../state/corrections.js';
import { Dialog } from '../ui/Dialog.jsx';
import { Later } from '../ui/Later.jsx';
import { Pictures } from '../ui/Pictures.jsx';
import { CALLBACK, moment } from './facts.js';
import { LabelEditor } from './LabelEditor.jsx';
import { Stage } from './Stage.jsx';
import './viewer.css';

const loadEditor = () => import('./FactsEditor.jsx');
const loadForm = () => loadEditor().then(({ FactsEditor }) => FactsEditor);

/** @typedef {import('../types').Picture} Picture */

/** The view of one picture: image, labels, facts and actions. @param {{app: import('../app.js').App}} props */
export function Viewer({ app }) {
  const { notices, viewer } = app;
  const corrections = useMemo(() => new Corrections(app), []);
  const actions = useMemo(() => new Actions({ ...app, watch: (blob) => app.updates.watch(blob) }), []);
  const open = viewer.id.value !== null;
  // On the document, because the control that had the focus can be gone with the former picture.
  useEffect(() => {
    if (!open) return undefined;
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      if (notices.dialogs.value.at(-1) === 'picture' && !event.defaultPrevented) act(app, event);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [open]);
  const close = () => app.closePicture();
  return (
    <Dialog id="picture" open={open} notices={notices} onClose={close}>
      <div class="content">
        <button type="button" class="close" aria-label="Close" autofocus onClick={close}>×</button>
        <Content app={app} actions={actions} corrections={corrections} />
      </div>
    </Dialog>
  );
}

/** Does what a key says. @param {import('../app.js').App} app @param {KeyboardEvent} event */
function act(app, event) {
  if (/** @type {Element} */ (event.target).closest('input, textarea, select, form')) return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key === 'ArrowLeft') app.viewer.step(-1);
  else if (event.key === 'ArrowRight') app.viewer.step(1);
  else if (event.key === 'Delete') app.deletePicture();
}

/** @typedef {{app: import('../app.js').App, actions: Actions, corrections: Corrections}} Parts */

/** @param {Parts} props */
function Content({ app, actions, corrections }) {
  const { viewer } = app;
  const problem = viewer.problem.value;
  if (problem) return <h2 id="picture-title">{problem}</h2>;
  return (
    <>
      <Stage viewer={viewer} />
      <p class="steps">
        <Step app={app} by={-1} text="‹ Previous" />
        <Step app={app} by={1} text="Next ›" />
      </p>
      <Details app={app} actions={actions} corrections={corrections} />
    </>
  );
}

/** A button for the picture before or after; it keeps the focus at the ends. @param {{app: import('../app.js').App, by: number, text: string}} props */
function Step({ app: { collection, viewer }, by, text }) {
  const id = viewer.id.value;
  const ends = collection.length.value === 0 || !id || !collection.beside(id, by);
  return <button type="button" aria-disabled={ends} onClick={() => viewer.step(by)}>{text}</button>;
}

/** @param {Parts} props */
function Details({ app, actions, corrections }) {
  const { viewer } = app;
  const blob = viewer.blob.value;
  if (!blob) return <div class="facts"><h2 id="picture-title">Loading …</h2></div>;
  const final = blob.status === 'LABELLED' || blob.status === 'FAILED';
  const edited = viewer.editing.value?.id === blob.id;
  const edit = () => loadEditor().then(
    ({ draftOf }) => { viewer.editing.value = draftOf(blob); },
    () => app.notices.show('The form could not be loaded. Try again, or reload the page.'),
  );
  return (
    <div class="facts">
      <h2 id="picture-title">{title(blob)}</h2>
      {!edited && (
        <p class="named">
          <span>{blob.fileName ?? 'Without a name'}</span>
          <button type="button" id="edit-facts" class="link" aria-label="Edit name and facts" onClick={edit}>Edit</button>
        </p>
      )}
      <Later app={app} load={loadForm} wanted={edited} />
      {blob.failure && <p class="failed">{failureText(blob.failure)} {remedyOf(blob.failure)}</p>}
      <LabelEditor app={app} corrections={corrections} blob={blob} key={blob.id} />
      <Pictures heading="Copies of this picture" found={viewer.copies.value} />
      <Pictures heading="More like this" found={viewer.similar.value} />
      <h3>About</h3>
      <Facts rows={factsOf(blob)} />
      {blob.callback && <Webhook actions={actions} callback={blob.callback} />}
      <p class="actions">
        <button type="button" disabled={!final} onClick={() => actions.relabel()}>Label again</button>
        <button type="button" onClick={() => app.deletePicture()}>Delete</button>
      </p>
    </div>
  );
}

/** @param {Picture} blob @returns {[string, string | null][]} */
function factsOf(blob) {
  return [
    ['Your id', blob.externalId],
    ...blob.metadata.map(({ key, value }) => /** @type {[string, string]} */ ([key, value])),
    ['Status', STATUS[blob.status] ?? blob.status],
    ['Type', blob.contentType],
    ['Size', bytes(blob.sizeBytes)],
    ['Pixels', blob.width && blob.height ? `${count(blob.width)} × ${count(blob.height)}` : null],
    ['Uploaded', moment(blob.createdAt)],
    ['Labelled', blob.labelledAt && moment(blob.labelledAt)],
    ['Id', blob.id],
  ];
}


/** A list of names and values; those without a value are left out. @param {{rows: [string, string | null][]}} props */
function Facts({ rows }) {
  return <dl>{rows.filter(([, value]) => value).map(([name, value], index) => [<dt key={index}>{name}</dt>, <dd key={`${index} value`}>{value}</dd>])}</dl>;
}

/** @param {{actions: Actions, callback: import('../types').Callback}} props */
function Webhook({ actions, callback }) {
  const { id, url, status, reason, nextAttemptAt, attempts } = callback;
  return (
    <section>
      <h3>Webhook</h3>
      <Facts rows={[
        ['URL', url],
        ['Status', `${CALLBACK[status] ?? status}${reason ? `: ${reason}` : ''}`],
        ['Next attempt', nextAttemptAt && moment(nextAttemptAt)],
      ]} />
      {attempts.length > 0 && (
        <ol class="attempts">
          {attempts.map(({ at, responseStatus, error, durationMs }) => (
            <li key={at}>
              {moment(at)}: {responseStatus ?? error ?? 'in progress'}{durationMs === null ? '' : ` after ${count(durationMs)} ms`}
            </li>
          ))}
        </ol>
      )}
      <p><button type="button" disabled={!attempts.length} onClick={() => actions.redeliver(id)}>Send again</button></p>
    </section>
  );
}
