import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { archiveOf } from '../../../web/gallery/src/state/archive.js';
import { crc32, Zip } from '../../../web/gallery/src/text/zip.js';
import { clientOf } from './support.mjs';

const bytesOf = (text) => new TextEncoder().encode(text);

/** Returns the files of an archive by their names, as Python reads them. */
async function read(archive) {
  const folder = mkdtempSync(join(tmpdir(), 'zip-'));
  try {
    const path = join(folder, 'pictures.zip');
    writeFileSync(path, Buffer.from(await archive.arrayBuffer()));
    const program = 'import json, sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nprint(json.dumps({n: z.read(n).decode() for n in z.namelist()}))';
    return JSON.parse(execFileSync('python3', ['-c', program, path], { encoding: 'utf8' }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('another program reads the archive, with names in any script', async () => {
  const zip = new Zip();
  zip.add({ name: 'Straße ☃.png', content: bytesOf('one') });
  zip.add({ name: 'empty', content: bytesOf('') });
  assert.deepEqual(await read(zip.end()), { 'Straße ☃.png': 'one', empty: '' });
});

test('files with the same name get numbers', async () => {
  const zip = new Zip();
  for (const name of ['cat.png', 'Cat.png', 'cat.png', 'cat (2).png', 'cat']) zip.add({ name, content: bytesOf(name) });
  assert.deepEqual(Object.keys(await read(zip.end())), ['cat.png', 'Cat (2).png', 'cat (3).png', 'cat (2) (2).png', 'cat']);
});

test('the checksum is that of the standard', () => {
  assert.equal(crc32(bytesOf('123456789')), 0xcbf43926);
});

const originalOf = (id, more = {}) => ({ id, fileName: `${id}.png`, contentType: 'PNG', sizeBytes: 3, downloadUrl: `http://gallery.test/${id}`, ...more });
const send = async (url) => (url.endsWith('/lost') ? { ok: false } : { ok: true, arrayBuffer: async () => bytesOf(url).buffer });

test('the originals are archived by their own names, and those that are gone are counted', async () => {
  const nodes = { a: originalOf('a'), b: originalOf('b', { fileName: null }), lost: originalOf('lost'), deleted: null };
  const { client } = clientOf((_name, { ids }) => ({ nodes: ids.map((id) => nodes[id]) }));
  const { archive, missing } = await archiveOf(Object.keys(nodes), { client, send });
  assert.equal(missing, 2);
  assert.deepEqual(await read(archive), { 'a.png': 'http://gallery.test/a', 'b.png': 'http://gallery.test/b' });
});

test('pictures that are too large together are refused', async () => {
  const fetched = [];
  const { client } = clientOf((_name, { ids }) => ({ nodes: ids.map((id) => originalOf(id, { sizeBytes: 6e8 })) }));
  const counted = async (url) => {
    fetched.push(url);
    return send(url);
  };
  await assert.rejects(archiveOf(['a', 'b', 'c'], { client, send: counted }), /more than 1\.0 GB\. Select fewer\./);
  assert.equal(fetched.length, 1);
});

test('an archive of nothing is an error', async () => {
  const { client } = clientOf((_name, { ids }) => ({ nodes: ids.map(() => null) }));
  await assert.rejects(archiveOf(['a'], { client, send }), /No picture could be fetched/);
});
