// Upload an image by the generated types, print its labels, and then what two wrong requests give.
// node client.js URL IMAGE
import { readFile } from 'node:fs/promises';
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

const [url = '', image = ''] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url });

const created = await client.POST('/v1/blobs', { body: { content_type: 'image/png' } });
if (!created.data) throw new Error(created.error.detail);
const { blob_id, upload_url, upload_headers } = created.data;
const put = await fetch(upload_url, {
  method: 'PUT',
  headers: upload_headers,
  body: new Uint8Array(await readFile(image)),
});
if (!put.ok) throw new Error(await put.text());

let blob: components['schemas']['Blob'] | undefined;
while (blob?.status !== 'LABELLED') {
  const shown = await client.GET('/v1/blobs/{blob_id}', { params: { path: { blob_id } } });
  if (!shown.data) throw new Error(shown.error.detail);
  if (shown.data.failure) throw new Error(shown.data.failure.message);
  blob = shown.data;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
console.log(JSON.stringify({ labels: blob.labels?.map((each) => each.label) }));

const absent = await client.GET('/v1/blobs/{blob_id}', {
  params: { path: { blob_id: 'absent' } },
});
if (absent.error?.code === 'BlobNotFound') {
  console.log(JSON.stringify({ absent: absent.error.blob_id }));
}
const refused = await client.POST('/v1/blobs', { body: { callback_url: 'ftp://example.org/' } });
if (refused.error?.code === 'CallbackUrlRefused') {
  console.log(JSON.stringify({ refused: refused.error.url }));
}
