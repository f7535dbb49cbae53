import { QUEUES } from './Overview.jsx';
import { Section } from './Section.jsx';
import { ListTable, Time } from './Table.jsx';

/** Messages that failed too often. @param {{console: import('./console.js').Console, status: any}} props */
export function DeadLetters({ console, status }) {
  const queues = Object.entries(status.queues).map(([name, { dead }]) => ({ name, dead }));
  const total = queues.reduce((sum, { dead }) => sum + dead, 0);
  const note = total ? `${total}, which need you` : 'none';
  return (
    <Section id="dead-letters" title="Dead letters" note={note} open={total > 0} lists={queues.map(({ name }) => console.lettersOf(name))}>
      {total === 0 && <p class="hint">No message failed too often.</p>}
      {queues.filter(({ dead }) => dead > 0).map(({ name, dead }) => (
        <div key={name}>
          <h3>{QUEUES[name] ?? name}</h3>
          <ListTable
            list={console.lettersOf(name)}
            label={`Dead letters of ${name}`}
            keyOf={({ id }) => id}
            empty="None."
            columns={[
              ['Message', ({ id }) => id],
              ['Sent', ({ sent_at: at }) => <Time at={at} />],
              ['Owner', ({ owner }) => owner ?? '–'],
              ['About', ({ subject }) => subject ?? '–'],
              ['Reason', ({ reason, error }) => <>{reason}{error && <><br /><code>{error}</code></>}</>, 'text'],
              ['Actions', (letter) => (
                <>
                  <button type="button" aria-label={`Retry message ${letter.id}`} onClick={() => console.retry(letter)}>Retry</button>
                  <button type="button" class="quiet" aria-label={`Discard message ${letter.id}`} onClick={() => console.discard(letter)}>Discard</button>
                </>
              ), 'actions'],
            ]}
          />
          <p><button type="button" onClick={() => console.retryAll(name, dead)}>Retry all of {name}</button></p>
        </div>
      ))}
      <p class="hint">The log has each error with its traceback, at level error.</p>
    </Section>
  );
}
