// Upload a picture and print its labels: npm ci && npm run schema && npm run build, then
// node dist/client.js cat.jpg [URL] [KEY]
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { initGraphQLTada, type ResultOf, type TadaDocumentNode } from 'gql.tada';
import { print } from 'graphql';
import { createClient } from 'graphql-sse';

import type { introspection } from './schema.d.ts';

const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { DateTime: string; Url: string };
}>();

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
      kind
      blob { labels { name confidence } failure { message } }
    }
  }
`);

const TYPES = {
  '.jpg': 'JPEG', '.jpeg': 'JPEG', '.png': 'PNG', '.webp': 'WEBP', '.gif': 'GIF', '.tif': 'TIFF', '.tiff': 'TIFF',
  '.bmp': 'BMP', '.avif': 'AVIF', '.heic': 'HEIC', '.heif': 'HEIC',
} as const;

type ImageType = (typeof TYPES)[keyof typeof TYPES];
type Labels = NonNullable<NonNullable<ResultOf<typeof EVENTS>['blobEvents']['blob']>['labels']>;

export class Labelling {
  readonly #url: string;
  readonly #authorization: Record<string, string>;

  constructor(url: string, key?: string) {
    this.#url = url;
    this.#authorization = key ? { authorization: `Bearer ${key}` } : {};
  }

  async ask<Result, Variables>(document: TadaDocumentNode<Result, Variables>, variables: Variables): Promise<Result> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.#authorization },
      body: JSON.stringify({ query: print(document), variables }),
    });
    const { data, errors } = (await response.json()) as { data?: Result; errors?: { message: string }[] };
    if (!data) throw new Error(errors?.[0]?.message ?? `HTTP ${response.status}`);
    return data;
  }

  /** Sends a picture; returns the id of its blob. */
  async upload(picture: Uint8Array<ArrayBuffer>, contentType: ImageType): Promise<string> {
    const { createUpload: made } = await this.ask(CREATE, { input: { contentType, sizeBytes: picture.length } });
    if (made.__typename !== 'CreatedUpload') throw new Error(made.message);
    if (!made.target) return made.blob.id; // the bytes are there: only where an idempotencyKey was repeated
    const { method, url, headers } = made.target;
    const sent = await fetch(url, {
      method,
      headers: headers.map(({ name, value }): [string, string] => [name, value]),
      body: picture,
    });
    if (!sent.ok) throw new Error(`The upload failed: ${sent.status} ${await sent.text()}`);
    return made.blob.id;
  }

  /** Waits for the labels of a blob. Subscribes again after the service has restarted; their state comes at once. */
  async labels(id: string): Promise<Labels> {
    const retry = (tries: number) => setTimeout(Math.min(500 * 2 ** tries, 8000));
    const live = createClient({ url: this.#url, headers: this.#authorization, retry, retryAttempts: Infinity });
    const request = { query: print(EVENTS), variables: { id } };
    try {
      for (let tries = 0; ; tries += 1) {
        for await (const { data, errors } of live.iterate<ResultOf<typeof EVENTS>>(request)) {
          if (errors?.[0]?.extensions?.code === 'SERVICE_UNAVAILABLE') break;
          if (!data) throw new Error(errors?.[0]?.message);
          const { kind, blob } = data.blobEvents;
          if (kind === 'DELETED') throw new Error('The picture was deleted.');
          if (kind === 'EXPIRED') throw new Error('The picture did not arrive in time.');
          if (blob?.failure) throw new Error(blob.failure.message);
          if (blob?.labels) return blob.labels;
        }
        await retry(tries);
      }
    } finally {
      live.dispose();
    }
  }
}

const [, , file, url = 'http://127.0.0.1:8000/graphql', key] = process.argv;
if (!file) throw new Error('Give the path of a picture.');
const service = new Labelling(url, key);
const contentType = TYPES[extname(file).toLowerCase() as keyof typeof TYPES] ?? 'JPEG'; // the bytes decide in the end
try {
  const id = await service.upload(new Uint8Array(await readFile(file)), contentType);
  for (const { name, confidence } of await service.labels(id)) {
    console.log(`${confidence.toFixed(1).padStart(5)}%  ${name}`);
  }
} catch (error) {
  // fetch throws a TypeError without a response.
  const silent = error instanceof TypeError;
  console.error(silent ? `${url} does not answer. Start the service, or name another.` : (error as Error).message);
  process.exitCode = 1;
}
