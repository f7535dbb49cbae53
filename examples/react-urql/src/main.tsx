// Upload a picture and show its labels. The service is http://127.0.0.1:8000, or what the page's address
// names after a #.
import { retryExchange } from '@urql/exchange-retry';
import { type FormEvent, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { cacheExchange, Client, fetchExchange, Provider, useMutation, useSubscription } from 'urql';

import { CREATE, EVENTS } from './operations';
import { patientFetch, useSilence } from './service';
import { ACCEPT, ending, send, sentence, typeOf } from './upload';

const api = location.hash.slice(1) || 'http://127.0.0.1:8000';

// After the service has restarted, subscribes again; the present state comes at once.
const retry = retryExchange({
  initialDelayMs: 500,
  maxDelayMs: 5000,
  maxNumberAttempts: Infinity,
  retryIf: ({ networkError, graphQLErrors: [error] }, { kind }) =>
    kind === 'subscription' && (!!networkError || error?.extensions.code === 'SERVICE_UNAVAILABLE'),
});
const client = new Client({
  url: `${api}/graphql`,
  fetch: patientFetch,
  fetchSubscriptions: true, // over HTTP: no WebSocket and no further package is needed
  exchanges: [cacheExchange, retry, fetchExchange],
  // fetchOptions: { headers: { authorization: 'Bearer <key>' } },
});

/** Shows the labels of a picture when they are there. */
function Labels({ id }: { id: string }) {
  const [{ data, error }] = useSubscription({ query: EVENTS, variables: { id } });
  const fault = error ? sentence(error.networkError ?? error.graphQLErrors[0]) : ending(data?.blobEvents);
  if (fault) return <p role="alert">{fault}</p>;
  const labels = data?.blobEvents.blob?.labels;
  if (!labels) return <p role="status">Waiting for the labels.</p>;
  if (!labels.length) return <p role="status">Nothing found.</p>;
  return (
    <ul aria-label="Labels">
      {labels.map(({ name, confidence }) => <li key={name}>{name} {confidence.toFixed(0)}%</li>)}
    </ul>
  );
}

function App() {
  const [, create] = useMutation(CREATE);
  const [id, setId] = useState<string>();
  const [sent, setSent] = useState<number>(); // the part of the picture that is sent, while it is being sent
  const [fault, setFault] = useState<string>();
  const silence = useSilence();

  /** Sends the picture; returns the id of its blob. */
  async function upload(picture: File, maxLabels: number) {
    const idempotencyKey = crypto.randomUUID(); // so that a repeated request makes no second blob
    const input = { contentType: typeOf(picture), sizeBytes: picture.size, maxLabels, idempotencyKey };
    const { data, error } = await create({ input });
    if (error) throw error.networkError ?? error.graphQLErrors[0];
    const made = data?.createUpload;
    if (made?.__typename !== 'CreatedUpload') throw new Error(made?.message);
    await send(picture, made.target!, setSent); // null only where the bytes are there already
    return made.blob.id;
  }

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setId(undefined);
    setFault(undefined);
    setSent(0);
    const uploaded = upload(form.get('picture') as File, Number(form.get('most')));
    await uploaded.then(setId, (error) => setFault(sentence(error)));
    setSent(undefined);
  }

  return (
    <form onSubmit={submit}>
      <input name="picture" type="file" accept={ACCEPT} required aria-label="Picture" />
      <label>Labels at most <input name="most" type="number" defaultValue={10} /></label>
      <button disabled={sent !== undefined}>Find labels</button>
      {sent !== undefined && <progress value={sent} aria-label="Sent" />}
      {silence && <p role="alert">{silence}</p>}
      {fault && <p role="alert">{fault}</p>}
      {id && <Labels key={id} id={id} />}
    </form>
  );
}

createRoot(document.getElementById('app')!).render(<Provider value={client}><App /></Provider>);
