import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { archiveOf } from '../../../web/gallery/src/state/archive.js';
import { takenAt } from '../../../web/gallery/src/text/taken.js';
import { crc32, dosTime, Zip } from '../../../web/gallery/src/text/zip.js';
import { clientOf } from './support.mjs';

const bytesOf = (text) => new TextEncoder().encode(text);

const at = new Date(2021, 6, 4, 13, 5, 42);

/** Returns what Python reads of the files of an archive, by their names: by default their text. */
async function read(archive, what = 'z.read(n).decode()') {
  const folder = mkdtempSync(join(tmpdir(), 'zip-'));
  try {
    const path = join(folder, 'pictures.zip');
    writeFileSync(path, Buffer.from(await archive.arrayBuffer()));
    const program = `import json, sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nprint(json.dumps({n: ${what} for n in z.namelist()}))`;
    return JSON.parse(execFileSync('python3', ['-c', program, path], { encoding: 'utf8' }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('another program reads the archive, with names in any script', async () => {
  const zip = new Zip();
  zip.add({ name: 'Straße ☃.png', content: bytesOf('one'), at });
  zip.add({ name: 'empty', content: bytesOf(''), at });
  assert.deepEqual(await read(zip.end()), { 'Straße ☃.png': 'one', empty: '' });
});

test('files with the same name get numbers', async () => {
  const zip = new Zip();
  for (const name of ['cat.png', 'Cat.png', 'cat.png', 'cat (2).png', 'cat']) zip.add({ name, content: bytesOf(name), at });
  assert.deepEqual(Object.keys(await read(zip.end())), ['cat.png', 'Cat (2).png', 'cat (3).png', 'cat (2) (2).png', 'cat']);
});

test('the checksum is that of the standard', () => {
  assert.equal(crc32(bytesOf('123456789')), 0xcbf43926);
});

const originalOf = (id, more = {}) => ({ id, fileName: `${id}.png`, contentType: 'PNG', createdAt: '2026-01-31T12:00:00.000Z', sizeBytes: 3, downloadUrl: `http://gallery.test/${id}`, ...more });
const send = async (url) => (url.endsWith('/lost') ? { ok: false } : { ok: true, arrayBuffer: async () => bytesOf(url).buffer });

test('the originals are archived by their own names, and those that are gone are counted', async () => {
  const nodes = { a: originalOf('a'), b: originalOf('b', { fileName: null }), lost: originalOf('lost'), deleted: null };
  const { client } = clientOf((_name, { ids }) => ({ nodes: ids.map((id) => nodes[id]) }));
  const { archive, missing } = await archiveOf(Object.keys(nodes), { client, send });
  assert.equal(missing, 2);
  assert.deepEqual(await read(archive), { 'a.png': 'http://gallery.test/a', 'b.png': 'http://gallery.test/b' });
});

/** A photograph's first bytes: Exif with a date and time, in a JPEG or alone, of either byte order. */
function exifOf(text, { little = true, jpeg = true } = {}) {
  const tiff = new DataView(new ArrayBuffer(64));
  const two = (place, value) => tiff.setUint16(place, value, little);
  const four = (place, value) => tiff.setUint32(place, value, little);
  tiff.setUint16(0, little ? 0x4949 : 0x4d4d);
  two(2, 42);
  four(4, 8);
  for (const [directory, tag, type, count, value] of [[8, 0x8769, 4, 1, 26], [26, 0x9003, 2, 20, 44]]) {
    two(directory, 1);
    two(directory + 2, tag);
    two(directory + 4, type);
    four(directory + 6, count);
    four(directory + 10, value);
  }
  new Uint8Array(tiff.buffer).set(bytesOf(text), 44);
  return new Uint8Array([...(jpeg ? [0xff, 0xd8, 0xff, 0xe1, 0, 72, ...bytesOf('Exif'), 0, 0] : []), ...new Uint8Array(tiff.buffer)]);
}

test('a photograph tells when it was taken, and other files do not', () => {
  for (const options of [{}, { little: false }, { jpeg: false }]) {
    assert.deepEqual(takenAt(exifOf('2021:07:04 13:05:42', options)), at);
  }
  for (const text of ['0000:00:00 00:00:00', '    :  :     :  :  ', '2021:02:31 00:00:00', 'yesterday']) assert.equal(takenAt(exifOf(text)), null);
  for (const length of [0, 1, 3, 20, 40, 60, 80]) takenAt(exifOf('2021:07:04 13:05:42').subarray(0, length)); // raises nothing
  assert.equal(takenAt(bytesOf('GIF89a')), null);
});

test('files have the dates of their photographs, else of their uploads', async () => {
  const nodes = { a: originalOf('a', { createdAt: '2026-01-31T12:00:02.999Z' }), b: originalOf('b') };
  const { client } = clientOf((_name, { ids }) => ({ nodes: ids.map((id) => nodes[id]) }));
  const content = (url) => (url.endsWith('/b') ? exifOf('2021:07:04 13:05:42') : bytesOf('one'));
  const { archive } = await archiveOf(['a', 'b'], { client, send: async (url) => ({ ok: true, arrayBuffer: async () => content(url).buffer }) });
  const local = new Date('2026-01-31T12:00:02Z');
  const uploaded = [local.getFullYear(), local.getMonth() + 1, local.getDate(), local.getHours(), local.getMinutes(), local.getSeconds()];
  assert.deepEqual(await read(archive, 'z.getinfo(n).date_time'), { 'a.png': uploaded, 'b.png': [2021, 7, 4, 13, 5, 42] });
});

test('times that MS-DOS does not have become its first or last', () => {
  assert.deepEqual(dosTime(new Date(1979, 11, 31)), [0, 0x21]);
  assert.deepEqual(dosTime(new Date(NaN)), [0, 0x21]);
  assert.deepEqual(dosTime(new Date(2200, 1, 1)), [0xbf7d, 0xff9f]);
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
