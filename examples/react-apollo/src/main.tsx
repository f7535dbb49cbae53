// Upload a picture and show its labels. The service is http://127.0.0.1:8000, or what the page's address
// names after a #.
import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client';
import { ApolloProvider, useMutation, useSubscription } from '@apollo/client/react';
import { initGraphQLTada } from 'gql.tada';
import { type FormEvent, useState } from 'react';
import { createRoot } from 'react-dom/client';

import possibleTypes from './possibleTypes.json'; // docs/possibleTypes.json: without it, errors are empty objects
import type { introspection } from './schema.d.ts';

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { DateTime: string; Url: string } }>();

const CREATE = graphql(`
  mutation Create($input: CreateUploadInput!) {
    createUpload(input: $input) {
      __typename
      ... on CreatedUpload {
        blob { id }
        target { method url headers { name value } }
      }
      ... on Error { message }
    }
  }
`);

const EVENTS = graphql(`
  subscription Events($id: ID!) {
    blobEvents(filter: { blobIds: [$id] }) {
      blob { id labels { name confidence } failure { message } }
    }
  }
`);

const api = location.hash.slice(1) || 'http://127.0.0.1:8000';
const client = new ApolloClient({
  cache: new InMemoryCache({ possibleTypes }),
  link: new HttpLink({ uri: `${api}/graphql` }), // and headers: { authorization: 'Bearer <key>' }
});

/** Shows the labels of a picture when they are there. */
function Labels({ id }: { id: string }) {
  const { data, error } = useSubscription(EVENTS, { variables: { id } });
  if (error) return <p role="alert">{error.message}</p>;
  const blob = data?.blobEvents.blob;
  if (blob?.failure) return <p role="alert">{blob.failure.message}</p>;
  if (!blob?.labels) return <p role="status">Waiting for the labels.</p>;
  if (!blob.labels.length) return <p role="status">Nothing found.</p>;
  return (
    <ul aria-label="Labels">
      {blob.labels.map(({ name, confidence }) => <li key={name}>{name} {confidence.toFixed(0)}%</li>)}
    </ul>
  );
}

function App() {
  const [create] = useMutation(CREATE);
  const [id, setId] = useState<string>();
  const [fault, setFault] = useState<string>();

  /** Sends the picture; returns the id of its blob. */
  async function upload(picture: File, maxLabels: number) {
    const contentType = picture.type === 'image/png' ? 'PNG' : 'JPEG';
    const { data } = await create({ variables: { input: { contentType, sizeBytes: picture.size, maxLabels } } });
    const made = data?.createUpload;
    if (made?.__typename !== 'CreatedUpload') throw new Error(made?.message);
    const { method, url, headers } = made.target!; // null only where an idempotencyKey is repeated
    const sent = await fetch(url, {
      method,
      headers: headers.map(({ name, value }): [string, string] => [name, value]),
      body: picture,
    });
    if (!sent.ok) throw new Error(`The upload failed: ${sent.status} ${await sent.text()}`);
    return made.blob.id;
  }

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setId(undefined);
    setFault(undefined);
    await upload(form.get('picture') as File, Number(form.get('most'))).then(setId, (error) => setFault(error.message));
  }

  return (
    <form onSubmit={submit}>
      <input name="picture" type="file" accept="image/jpeg,image/png" required aria-label="Picture" />
      <label>Labels at most <input name="most" type="number" defaultValue={10} /></label>
      <button>Find labels</button>
      {fault && <p role="alert">{fault}</p>}
      {id && <Labels key={id} id={id} />}
    </form>
  );
}

createRoot(document.getElementById('app')!).render(<ApolloProvider client={client}><App /></ApolloProvider>);
