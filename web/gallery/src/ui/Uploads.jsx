import { useEffect } from 'preact/hooks';

import { count } from '../text/words.js';
import { moment } from '../viewer/facts.js';
import { Later } from './Later.jsx';
import './uploads.css';

const loadFailures = () => import('./Failures.jsx').then(({ Failures }) => Failures);

/** The progress of all uploads, and how many files failed. @param {{app: import('../app.js').App}} props */
export function Uploads({ app }) {
  const uploads = app.uploads.value;
  if (!uploads) return null;
  const { list, open } = uploads.failures;
  const { total, done, failed, sent } = uploads.progress.value;
  const problems = list.value.length;
  const over = done + failed === total;
  const shown = !over || problems > 0;
  const text = over
    ? `${count(problems)} ${problems === 1 ? 'file' : 'files'} failed.`
    : `Uploading: ${count(done)} of ${count(total)} done${problems ? `, ${count(problems)} failed` : ''}.`;
  const paused = !over && uploads.paused.value;
  const wait = paused ? `The quota is used up. The rest is sent from ${moment(paused)}.` : '';
  return (
    <>
      <section id="uploads" aria-label="Uploads" hidden={!shown}>
        <span aria-hidden={over}>{text}</span>
        {wait && <span aria-hidden="true">{wait}</span>}
        <span class="unseen" role="status">{over && shown ? text : wait}</span>
        {!over && <progress max={1} value={sent / total} aria-label="Uploads" />}
        {problems > 0 && <button type="button" onClick={() => { open.value = true; }}>Show what failed</button>}
        {problems > 0 && <button type="button" class="quiet" onClick={() => uploads.dismiss()}>Dismiss</button>}
      </section>
      {!over && <Unfinished />}
      <Later app={app} load={loadFailures} wanted={open.value} />
    </>
  );
}

/** Asks before the page is left: files that are not sent would be lost. */
function Unfinished() {
  useEffect(() => {
    const ask = (/** @type {BeforeUnloadEvent} */ event) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, []);
  return null;
}
