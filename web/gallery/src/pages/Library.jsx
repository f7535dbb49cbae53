import { Grid } from '../ui/Grid.jsx';
import { count, headingOf } from '../text/words.js';

/** @typedef {{app: import('../app.js').App}} Props */

/** The pictures of a search, and the uploads. @param {Props} props */
export function Library({ app }) {
  const { collection } = app;
  const nothing = collection.complete.value && !collection.length.value;
  return (
    <main id="pictures" tabIndex={-1}>
      <Progress uploads={app.uploads} />
      <h2 id="heading" class="unseen">{headingOf(collection.search.value, collection.meant.value)}</h2>
      <Arrivals app={app} />
      <Grid app={app} />
      {nothing && <Nothing app={app} />}
    </main>
  );
}

/** How many new pictures wait: they would shift the pictures that the user looks at. @param {Props} props */
function Arrivals({ app }) {
  const { length } = app.collection.arrivals.value;
  if (!length) return null;
  const show = () => {
    scrollTo({ top: 0 });
    app.collection.admit();
    app.more();
    document.getElementById('pictures')?.focus({ preventScroll: true });
  };
  return <button type="button" id="arrivals" class="primary" onClick={show}>{count(length)} new</button>;
}

/** @param {Props} props */
function Nothing({ app }) {
  const { labels, least } = app.collection.search.value;
  const sure = least > 0 ? ` with a confidence of ${least}% or more` : '';
  const named = `${labels.length > 1 ? 'labels' : 'label'} ${labels.join(' and ')}`;
  return (
    <div id="nothing">
      <p id="nothing-text">{labels.length ? `No picture has the ${named}${sure}.` : 'No pictures yet.'}</p>
      <p id="nothing-hint">{labels.length ? `Try fewer labels${least > 0 ? ' or a lower confidence' : ''}.` : 'Drop pictures here, paste one, or choose Upload.'}</p>
    </div>
  );
}

/** The progress of all uploads, and what failed. @param {{uploads: import('../state/uploads.js').Uploads}} props */
function Progress({ uploads }) {
  const { total, done, failed, retryable, sent } = uploads.progress.value;
  const over = done + failed === total;
  if (over && !failed) return null;
  const text = over
    ? `${count(failed)} of ${count(total)} could not be uploaded.`
    : `Uploading: ${count(done)} of ${count(total)} done${failed ? `, ${count(failed)} failed` : ''}.`;
  return (
    <section id="uploads" aria-label="Uploads">
      <span>{text}</span>
      <progress max={1} value={sent / total} aria-label="Uploads" />
      {retryable > 0 && <button type="button" onClick={() => uploads.retry()}>Try again</button>}
      {over && <button type="button" class="quiet" onClick={() => uploads.dismiss()}>Dismiss</button>}
    </section>
  );
}
