import { count } from '../text/words.js';
import { Section } from './Section.jsx';
import { ListTable, Time } from './Table.jsx';

/** @typedef {{console: import('./console.js').Console, status: any}} Props */

const STATES = ['exhausted', 'gone', 'rejected', 'cancelled', 'pending', 'delivered'];
const AGAIN = STATES.filter((state) => state !== 'pending');

/** Webhooks by state. @param {Props} props */
export function Webhooks({ console, status: { deliveries } }) {
  const state = console.state.value;
  const choose = (/** @type {string} */ chosen) => {
    console.deliveries.items.value = null;
    console.state.value = chosen;
    console.deliveries.refresh().catch((error) => console.notices.show(error.message));
  };
  const ended = Object.entries(deliveries.last_day).filter(([, number]) => number > 0);
  const failures = Object.entries(deliveries.failures);
  return (
    <Section id="webhooks" title="Webhooks" note={`${count(deliveries.pending)} pending`} lists={[console.deliveries]}>
      <p>
        {deliveries.pending ? <>The next attempt is due <Time at={deliveries.next_attempt_at} />.</> : 'None waits to be sent.'}{' '}
        {ended.length ? `Within a day: ${ended.map(([name, number]) => `${count(number)} ${name}`).join(', ')}.` : 'None ended within a day.'}{' '}
        {failures.length > 0 && `Exhausted by: ${failures.map(([reason, number]) => `${reason} (${count(number)})`).join(', ')}.`}
      </p>
      <label class="choice">
        State
        <select value={state} onChange={({ currentTarget }) => choose(currentTarget.value)}>
          {STATES.map((each) => <option key={each} value={each}>{each}</option>)}
        </select>
      </label>
      <ListTable
        list={console.deliveries}
        label={`Webhooks: ${state}`}
        keyOf={({ id }) => id}
        empty={`No webhook is ${state}.`}
        columns={[
          ['Webhook', ({ id }) => id],
          ['Owner', ({ owner }) => owner],
          ['URL', ({ url }) => url, 'text'],
          ['Attempts', ({ attempts }) => attempts, 'number'],
          [state === 'pending' ? 'Due' : 'Ended', ({ due_at: due, ended_at: at }) => <Time at={at ?? due} />],
          ['Reason', ({ reason, last_error: error }) => reason ?? error ?? '–', 'text'],
          ['Actions', (delivery) => AGAIN.includes(delivery.state) && (
            <button type="button" aria-label={`Send ${delivery.id} again`} onClick={() => console.redeliver(delivery)}>Send again</button>
          ), 'actions'],
        ]}
      />
    </Section>
  );
}

/** Endpoints that get nothing, or for which webhooks wait. @param {Props} props */
export function Endpoints({ console, status: { endpoints_disabled: disabled, endpoints_waiting: waiting } }) {
  const note = disabled || waiting ? `${count(disabled)} gone, ${count(waiting)} with a line` : 'none is gone';
  return (
    <Section id="endpoints" title="Endpoints" note={note} lists={[console.endpoints]}>
      <ListTable
        list={console.endpoints}
        label="Endpoints"
        keyOf={({ owner, url }) => `${owner} ${url}`}
        empty="No endpoint is gone, and no webhook waits for one."
        columns={[
          ['Endpoint', ({ url }) => url, 'text'],
          ['Owner', ({ owner }) => owner],
          ['State', ({ disabled_at: at }) => (at ? <>gone, <Time at={at} /></> : 'in use')],
          ['Pending', ({ pending }) => count(pending), 'number'],
          ['Next attempt', ({ next_attempt_at: at }) => <Time at={at} none="–" />],
          ['Actions', (endpoint) => endpoint.disabled_at && (
            <button type="button" aria-label={`Enable ${endpoint.url} of ${endpoint.owner}`} onClick={() => console.enable(endpoint)}>Enable</button>
          ), 'actions'],
        ]}
      />
    </Section>
  );
}
