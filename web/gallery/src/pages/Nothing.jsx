import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { DESCRIBED, NAMED } from '../api/operations-on-demand.js';
import { nearestLabels } from '../state/nearest.js';
import { EVERYTHING, isFiltered } from '../text/search.js';
import { Pictures } from '../ui/Pictures.jsx';

/** @typedef {{app: import('../app.js').App}} Props */

/** Says that a search finds nothing, and what to do. @param {Props} props */
export function Nothing({ app }) {
  const { collection } = app;
  const search = collection.search.value;
  const { labels, least } = search;
  const others = useSignal(''); // the text that finds pictures otherwise
  const answered = () => { others.value = labels[0]; };
  if (!collection.complete.value || collection.length.value) return null;
  const filtered = isFiltered(search);
  if (!labels.length && !filtered) return <Message text="No pictures yet." hint="Drop pictures here, paste one, or choose Upload." />;
  const reset = filtered && <p><button type="button" onClick={() => app.search({ ...EVERYTHING, labels, least })}>Reset the filters</button></p>;
  if (!labels.length) return <Message text="No picture meets the filters." hint="Reset the filters, or try others.">{reset}</Message>;
  const names = `${labels.length > 1 ? 'labels' : 'label'} ${labels.join(' and ')}`;
  const sure = least > 0 ? ` with a confidence of ${least}% or more` : '';
  const hint = [labels.length > 1 ? 'fewer labels' : 'another label', ...(sure ? ['a lower confidence'] : []), ...(filtered ? ['other filters'] : [])].join(' or ');
  return (
    <Message text={`No picture${filtered ? ' that meets the filters' : ''} has the ${names}${sure}.`} hint={others.value === labels[0] ? '' : `Try ${hint}.`}>
      {reset}
      <Nearest app={app} />
      {labels.length === 1 && !filtered && (
        <>
          <Found app={app} operation={NAMED} heading={`Files named ${labels[0]} …`} text={labels[0]} onFound={answered} />
          <Found app={app} operation={DESCRIBED} heading={`Pictures described by “${labels[0]}”`} text={labels[0]} onFound={answered} />
        </>
      )}
    </Message>
  );
}

/** @param {{text: string, hint: string, children?: import('preact').ComponentChildren}} props */
function Message({ text, hint, children }) {
  return (
    <div id="nothing">
      <p id="nothing-text">{text}</p>
      {children}
      {hint && <p id="nothing-hint">{hint}</p>}
    </div>
  );
}

/** Labels in use that are spelled like those that no picture has. @param {Props} props */
function Nearest({ app }) {
  const found = useSignal(/** @type {{name: string, nearest: string[]}[]} */ ([]));
  const { labels } = app.collection.search.value;
  const unknown = labels.filter((name) => app.collection.meant.value.get(name) === null);
  useEffect(() => {
    let current = true;
    found.value = [];
    Promise.all(unknown.map(async (name) => ({ name, nearest: await nearestLabels(app.client, name) }))).then(
      (answer) => { if (current) found.value = answer.filter(({ nearest }) => nearest.length); },
      () => {}, // suggestions are optional
    );
    return () => { current = false; };
  }, [unknown.join()]);
  return found.value.map(({ name, nearest }) => (
    <p key={name} class="nearest">
      Instead of {name}: {nearest.map((label) => (
        <button type="button" key={label} onClick={() => app.search({ labels: labels.map((each) => (each === name ? label : each)) })}>{label}</button>
      ))}
    </p>
  ));
}

/** Pictures that a text finds otherwise. Nothing where the service does not offer that. @param {Props & {operation: string, heading: string, text: string, onFound: () => void}} props */
function Found({ app, operation, heading, text, onFound }) {
  const found = useSignal(/** @type {import('../types').Tile[]} */ ([]));
  useEffect(() => {
    let current = true;
    found.value = [];
    app.client.ask(operation, { text }).then(
      (answer) => {
        if (!current) return;
        found.value = answer.found?.nodes ?? [];
        if (found.value.length) onFound();
      },
      () => {}, // without a text encoder, or with a text that is too long
    );
    return () => { current = false; };
  }, [text]);
  return <Pictures heading={heading} found={found.value} />;
}
