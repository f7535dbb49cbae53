import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

import { LABELS } from '../api/operations.js';
import { has } from '../state/former.js';
import { writeSearch } from '../text/search.js';
import { isSuggestion, percent } from '../text/words.js';

const TYPING = 120; // milliseconds
const LONGEST_NAME = 100; // characters
const CONFIRMED = { DETECTOR: 'confirmed', OWNER: 'added' };

/** @typedef {import('../types').FullLabel} FullLabel */
/** @typedef {import('../state/corrections.js').Corrections} Corrections */
/** @typedef {{app: import('../app.js').App, corrections: Corrections}} Parts */

/** The labels of a picture, which its owner corrects. @param {Parts & {blob: import('../types').Picture}} props */
export function LabelEditor({ app, corrections, blob }) {
  const { labels } = blob;
  useLayoutEffect(() => corrections.reset(), []);
  if (!labels) return null;
  return (
    <>
      {labels.length ? (
        <ul class="labels" aria-label="Labels">
          {labels.map((label) => <Item key={label.name} app={app} corrections={corrections} label={label} />)}
        </ul>
      ) : <p>No label reaches the minimum confidence.</p>}
      <Undo corrections={corrections} />
      <Add app={app} corrections={corrections} />
      <Detected corrections={corrections} blob={blob} labels={labels} />
    </>
  );
}

/** @param {Parts & {label: FullLabel}} props */
function Item({ app, corrections, label }) {
  const { name, confidence, parents, source, confirmedAt, instances } = label;
  const { highlighted } = app.viewer;
  const lit = highlighted.value === name;
  const light = (/** @type {boolean} */ on) => { highlighted.value = on ? name : null; };
  const highlight = instances.length > 0 && {
    onPointerEnter: (/** @type {PointerEvent} */ { pointerType }) => { if (pointerType === 'mouse') light(true); },
    onPointerLeave: (/** @type {PointerEvent} */ { pointerType }) => { if (pointerType === 'mouse') light(false); },
    onFocusIn: () => light(true),
    onFocusOut: () => light(false),
    onClick: (/** @type {MouseEvent} */ { target }) => { // a tap beside the link
      if (!(/** @type {Element} */ (target).closest('a, button')) && matchMedia('(hover: none)').matches) light(!lit);
    },
  };
  const confirmed = confirmedAt !== null;
  const search = { ...app.collection.search.value, labels: [name] };
  const confirming = confirmed ? `Do not confirm ${name}` : `Confirm ${name}`;
  return (
    <li class={`${isSuggestion(label) ? 'suggestion' : ''} ${lit ? 'lit' : ''}`} {...highlight}>
      <a href={writeSearch(search)}>{name}</a>
      <span class="percent">{isSuggestion(label) ? 'perhaps ' : ''}{confirmed ? CONFIRMED[source] : percent(confidence)}</span>
      <span class="correct">
        {source !== 'OWNER' && (
          <button type="button" class="quiet" title={confirming} aria-label={confirming} aria-pressed={confirmed} onClick={() => corrections.confirm(name, confirmed)}>✓</button>
        )}
        <button type="button" class="quiet" title={`Remove ${name}`} aria-label={`Remove ${name}`} onClick={() => corrections.remove(name)}>×</button>
      </span>
      <meter min={0} max={100} value={confidence} aria-hidden="true" />
      {parents.length > 0 && <span class="parents">{parents.join(' › ')}</span>}
    </li>
  );
}

/** @param {{corrections: Corrections}} props */
function Undo({ corrections }) {
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const focus = corrections.focus.value;
  useEffect(() => {
    if (focus?.control === 'undo') button.current?.focus();
  }, [focus]);
  const undo = corrections.undo.value;
  if (!undo) return null;
  return (
    <p class="undo">
      {undo.text}. <button type="button" class="quiet" ref={button} aria-label={`Undo: ${undo.text}`} onClick={undo.act}>Undo</button>
    </p>
  );
}

/** @param {Parts} props */
function Add({ app, corrections }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  const names = useSignal(/** @type {string[]} */ ([]));
  const focus = corrections.focus.value;
  useEffect(() => {
    if (focus?.control === 'add') input.current?.focus();
  }, [focus]);
  const typed = () => input.current?.value.trim() ?? '';
  const complete = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(async () => {
      const prefix = typed();
      if (!prefix) return;
      try {
        const { labels } = await app.client.ask(LABELS, { prefix });
        if (prefix === typed()) names.value = labels.edges.map((/** @type {any} */ { node }) => node.name);
      } catch {
        names.value = []; // completion is optional
      }
    }, TYPING);
  };
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const name = typed();
    if (!name || !input.current) return;
    input.current.value = '';
    names.value = [];
    corrections.add(name);
  };
  return (
    <form class="add" onSubmit={submit}>
      <input ref={input} type="text" maxLength={LONGEST_NAME} autocomplete="off" list="label-names" aria-label="Add a label" placeholder="Add a label" onInput={complete} />
      <datalist id="label-names">{names.value.map((name) => <option key={name} value={name} />)}</datalist>
      <button type="submit">Add</button>
    </form>
  );
}

/** What the detector found, once its labels were corrected. @param {{corrections: Corrections, blob: import('../types').Picture, labels: FullLabel[]}} props */
function Detected({ corrections, blob, labels }) {
  const { rejectedLabels } = blob;
  const detected = blob.detectedLabels ?? [];
  const changed = rejectedLabels.length || labels.some(({ source, confirmedAt }) => source === 'OWNER' || confirmedAt);
  if (!changed) return null;
  const removed = (/** @type {string} */ name, /** @type {string} */ text) => (
    <li key={name}>
      <del>{text}</del>
      <button type="button" class="quiet" aria-label={`Restore ${name}`} onClick={() => corrections.restore(name)}>Restore</button>
    </li>
  );
  return (
    <details class="detected">
      <summary>What the detector found</summary>
      <ul aria-label="What the detector found">
        {detected.map(({ name, confidence }) => {
          const text = `${name} ${percent(confidence)}`;
          return has(rejectedLabels, name) ? removed(name, text) : <li key={name}><span>{text}</span></li>;
        })}
        {rejectedLabels.filter((name) => !has(detected, name)).map((name) => removed(name, name))}
      </ul>
    </details>
  );
}
