import { EVERYTHING, isSame } from '../text/search.js';
import { Grid } from '../ui/Grid.jsx';
import { Later } from '../ui/Later.jsx';
import { count, headingOf, pictures } from '../text/words.js';

const loadNothing = () => import('./Nothing.jsx').then(({ Nothing }) => Nothing);

/** @typedef {{app: import('../app.js').App}} Props */

/** The pictures of a search, and the uploads. @param {Props & {hidden: boolean}} props */
export function Library({ app, hidden }) {
  const { collection } = app;
  const search = collection.search.value;
  const nothing = collection.complete.value && !collection.length.value;
  return (
    <main id="pictures" tabIndex={-1} hidden={hidden}>
      <div class="about">
        <h2 id="heading" class={isSame(search, EVERYTHING) ? 'unseen' : ''}>{headingOf(search, collection.meant.value)}</h2>
        <Total app={app} />
      </div>
      <Arrivals app={app} />
      <Grid app={app} />
      <Later app={app} load={loadNothing} wanted={nothing} />
    </main>
  );
}

/** The number of pictures, where it is known. @param {Props} props */
function Total({ app: { collection, uploads } }) {
  const listed = collection.complete.value ? collection.length.value : collection.total.value;
  const total = listed && listed - (uploads.value?.refused ?? 0);
  return total ? <span class="total">{pictures(total)}</span> : null;
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
