import { bytes, count } from '../text/words.js';
import { Section } from './Section.jsx';
import { ListTable, Time } from './Table.jsx';

/** @typedef {{console: import('./console.js').Console, status: any}} Props */

/** Owners and what they use. @param {Props} props */
export function Owners({ console, status: { limits } }) {
  const most = limits.open_uploads ? ` of ${count(limits.open_uploads)}` : '';
  return (
    <Section id="owners" title="Owners" lists={[console.owners]}>
      <ListTable
        list={console.owners}
        label="Owners"
        keyOf={({ owner }) => owner}
        empty="No owner has pictures or keys yet."
        columns={[
          ['Owner', ({ owner }) => owner],
          ['Pictures', ({ blobs }) => count(blobs), 'number'],
          ['Size', ({ bytes: size }) => (size === null ? 'being measured' : bytes(size)), 'number'],
          ['Open uploads', ({ open_uploads: open }) => `${count(open)}${most}`, 'number'],
          ['Failed', ({ failed }) => count(failed), 'number'],
          ['Keys', ({ keys }) => count(keys), 'number'],
          ['A key was last used', ({ last_used_at: at }) => <Time at={at} />],
        ]}
      />
    </Section>
  );
}

/** API keys, never the keys themselves. @param {Props} props */
export function Keys({ console, status: { keys } }) {
  return (
    <Section id="keys" title="API keys" note={count(keys)} lists={[console.keys]}>
      <ListTable
        list={console.keys}
        label="API keys"
        keyOf={({ id }) => id}
        empty="There are none. Make one with: labelling keys create --owner NAME"
        columns={[
          ['Key', ({ id }) => id],
          ['Owner', ({ owner }) => owner],
          ['Note', ({ name }) => name || '–'],
          ['Scopes', ({ scopes }) => scopes.join(', ') || 'none', 'text'],
          ['Created', ({ created_at: at }) => <Time at={at} />],
          ['Last used', ({ last_used_at: at }) => <Time at={at} />],
          ['Ends', ({ expires_at: at }) => <Time at={at} />],
          ['Actions', (key) => (
            <button type="button" class="quiet" aria-label={`Revoke the key ${key.id}`} onClick={() => console.revoke(key)}>Revoke</button>
          ), 'actions'],
        ]}
      />
    </Section>
  );
}
