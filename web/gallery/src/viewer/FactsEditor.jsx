import { useEffect, useRef } from 'preact/hooks';

import { FactsDraft, MAX_PAIRS } from '../state/facts.js';
import { pictureHash } from '../router.js';
import './facts.css';

const RETURN_SECONDS = 20;

/** @typedef {import('../state/facts.js').Pair} Pair */
/** @typedef {{app: import('../app.js').App}} Props */
/** @typedef {{draft: FactsDraft}} Draft */

/** Returns what is edited of a picture. @param {import('../types').Picture} blob */
export const draftOf = (blob) => new FactsDraft(blob);

/** The form in which the owner edits the name and the own facts of the picture that is shown. @param {Props} props */
export function FactsEditor({ app }) {
  const { viewer } = app;
  const draft = viewer.editing.value;
  if (!draft || draft.id !== viewer.blob.value?.id) return null;
  return <Form key={draft.id} app={app} draft={draft} />;
}

/** @param {Props & Draft} props */
function Form({ app, draft }) {
  const { viewer, notices } = app;
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const problems = draft.problems.value;
  /** @param {string} field */
  const find = (field) => /** @type {HTMLInputElement | null | undefined} */ (form.current?.querySelector(`[data-field="${field}"]`));
  const focus = (/** @type {string} */ field) => requestAnimationFrame(() => find(field)?.focus());
  useEffect(() => {
    requestAnimationFrame(() => {
      const name = find('fileName');
      name?.focus();
      name?.setSelectionRange(0, name.value.lastIndexOf('.')); // the name without its ending is replaced
    });
    return () => leave(app, draft);
  }, []);
  /** Ends the editing. The focus returns to the button that began it. */
  const end = () => {
    viewer.editing.value = null;
    requestAnimationFrame(() => document.getElementById('edit-facts')?.focus());
  };
  const save = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const { isChanged } = draft;
    if (!(await draft.save(app.client))) {
      const [first] = draft.problems.value.keys();
      if (first) focus(first === 'metadata' ? 'add' : first);
      return;
    }
    if (isChanged) notices.speak('Saved.');
    await Promise.all([viewer.look(), isChanged && app.reload([draft.id])]);
    if (viewer.editing.value === draft) end();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault(); // the dialog stays open
    event.stopPropagation();
    end();
  };
  const remove = (/** @type {number} */ number) => {
    const next = draft.remove(number);
    focus(next === undefined ? 'add' : `${next}.key`);
  };
  const full = draft.pairs.value.length >= MAX_PAIRS;
  return (
    <form class="own-facts" aria-label="Name and facts" autocomplete="off" noValidate ref={form} onSubmit={save} onKeyDown={onKeyDown}>
      <p role="alert" class={problems.has('') ? 'failed' : ''}>{problems.get('')}</p>
      <Field draft={draft} field="fileName" name="Name" text={draft.fileName.value} hint="A download has this name." onType={(text) => { draft.fileName.value = text; }} />
      <Field draft={draft} field="externalId" name="Your id" text={draft.externalId.value} hint="No other picture of yours can have it." onType={(text) => { draft.externalId.value = text; }}>
        {draft.other.value && <a href={pictureHash(draft.other.value)}>Show that picture</a>}
      </Field>
      <fieldset>
        <legend>Your own facts</legend>
        {draft.pairs.value.map((pair, place) => <Row key={pair.number} draft={draft} pair={pair} place={place + 1} onRemove={() => remove(pair.number)} />)}
        {problems.has('metadata') && <p class="failed" id="metadata-problem">{problems.get('metadata')}</p>}
        <button type="button" data-field="add" aria-describedby={problems.has('metadata') ? 'metadata-problem' : undefined} aria-disabled={full} onClick={() => { if (!full) focus(`${draft.add()}.key`); }}>Add a fact</button>
        {full && <p class="hint">A picture has at most {MAX_PAIRS}.</p>}
      </fieldset>
      <p class="actions">
        <button type="button" class="quiet" onClick={end}>Cancel</button>
        <button class="primary" disabled={draft.saving.value}>Save</button>
      </p>
    </form>
  );
}

/** Says that changes were not saved, where another picture is shown or none, and how to return to them. @param {import('../app.js').App} app @param {FactsDraft} draft */
function leave({ viewer, notices, router }, draft) {
  if (viewer.editing.value !== draft) return;
  if (!draft.isChanged || (viewer.id.value === draft.id && viewer.problem.value)) {
    viewer.editing.value = null;
    return;
  }
  notices.show(`Not saved: your changes of ${draft.before.fileName ?? 'a picture'}.`, {
    seconds: RETURN_SECONDS,
    actions: [['Return', () => router.go(pictureHash(draft.id))]],
  });
}

/**
 * A text field with its problem, or else its hint.
 * @param {Draft & {
 *   field: string, name: string, text: string, hint?: string, onType: (text: string) => void,
 *   children?: import('preact').ComponentChildren,
 * }} props
 */
function Field({ draft, field, name, text, hint = '', onType, children }) {
  const problem = draft.problems.value.get(field);
  const id = `own-${field}`;
  return (
    <p class="text-field">
      <label for={id}>{name}</label>
      <Text id={id} draft={draft} field={field} text={text} describedBy={problem || hint ? `${id}-about` : undefined} onType={onType} />
      {(problem || hint) && <span id={`${id}-about`} class={problem ? 'failed' : 'hint'}>{problem ?? hint}</span>}
      {problem && children}
    </p>
  );
}

/** The key and the value of one fact. @param {Draft & {pair: Pair, place: number, onRemove: () => void}} props */
function Row({ draft, pair: { number, key, value }, place, onRemove }) {
  const problems = draft.problems.value;
  const wrong = ['key', 'value'].filter((part) => problems.has(`${number}.${part}`));
  const about = `own-${number}-about`;
  const describedBy = (/** @type {string} */ part) => (wrong.includes(part) ? `${about}-${part}` : undefined);
  return (
    <div class="pair" role="group" aria-label={`Fact ${place}`}>
      <Text draft={draft} field={`${number}.key`} text={key} label="Name of the fact" placeholder="Album" describedBy={describedBy('key')} onType={(text) => draft.change(number, { key: text })} />
      <Text draft={draft} field={`${number}.value`} text={value} label="Value" placeholder="Holidays" describedBy={describedBy('value')} onType={(text) => draft.change(number, { value: text })} />
      <button type="button" class="quiet" title="Remove this fact" aria-label={`Remove ${key || 'this fact'}`} onClick={onRemove}>×</button>
      {wrong.map((part) => (
        <span key={part} id={`${about}-${part}`} class="failed">{problems.get(`${number}.${part}`)}</span>
      ))}
    </div>
  );
}

/**
 * @param {Draft & {
 *   id?: string, field: string, text: string, label?: string, placeholder?: string, describedBy: string | undefined,
 *   onType: (text: string) => void,
 * }} props
 */
function Text({ draft, id, field, text, label, placeholder, describedBy, onType }) {
  return (
    <input
      id={id}
      type="text"
      data-field={field}
      value={text}
      placeholder={placeholder}
      aria-label={label}
      aria-invalid={draft.problems.value.has(field)}
      aria-describedby={describedBy}
      spellcheck={false}
      onInput={({ currentTarget }) => onType(currentTarget.value)}
    />
  );
}
