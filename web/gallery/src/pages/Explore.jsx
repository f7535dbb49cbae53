import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { EXPLORE } from '../api/operations-on-demand.js';
import { byCategory } from '../text/categories.js';
import { EVERYTHING, writeSearch } from '../text/search.js';
import { count } from '../text/words.js';

/** @typedef {import('../text/categories.js').Entry} Entry */

/** All labels in use with their newest pictures, by category. @param {{app: import('../app.js').App}} props */
export function Explore({ app }) {
  const labels = useSignal(/** @type {Entry[]} */ ([]));
  const failed = useSignal(/** @type {number | null} */ (null));
  const cursor = useSignal(/** @type {string | null} */ (null));
  const loading = useSignal(true);
  const more = async () => {
    loading.value = true;
    try {
      const answer = await app.client.ask(EXPLORE, { after: cursor.value });
      labels.value = [...labels.value, ...answer.labels.nodes];
      failed.value = answer.failed.totalCount ?? (answer.failed.nodes.length ? 1 : 0);
      cursor.value = answer.labels.pageInfo.hasNextPage ? answer.labels.pageInfo.endCursor : null;
    } catch (error) {
      app.report(error);
    } finally {
      loading.value = false;
    }
  };
  useEffect(() => { more(); }, []);
  return (
    <main id="explore" tabIndex={-1} aria-busy={loading.value}>
      <h2>Explore</h2>
      {failed.value !== null && failed.value > 0 && (
        <p><a class="button failed" href={writeSearch({ ...EVERYTHING, status: 'FAILED' })}>Pictures that could not be labelled</a></p>
      )}
      {!loading.value && !labels.value.length && <p>No picture has a label yet.</p>}
      {byCategory(labels.value).map(([category, entries]) => (
        <section key={category}>
          <h3>{category}</h3>
          <ul class="covers">
            {entries.map((entry) => <li key={entry.name}><Cover entry={entry} /></li>)}
          </ul>
        </section>
      ))}
      {cursor.value && <p><button type="button" disabled={loading.value} onClick={more}>More labels</button></p>}
    </main>
  );
}

/** @param {{entry: Entry}} props */
function Cover({ entry: { name, blobCount, cover } }) {
  const source = cover?.thumbnailUrl ?? cover?.downloadUrl;
  return (
    <a href={writeSearch({ ...EVERYTHING, labels: [name] })}>
      <span class="frame">{source && <img class="there" src={source} alt="" loading="lazy" />}</span>
      <span class="name">{name}</span> <span class="more">{count(blobCount)}</span>
    </a>
  );
}
