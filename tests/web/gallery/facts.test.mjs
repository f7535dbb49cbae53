import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FactsDraft } from '../../../web/gallery/src/state/facts.js';
import { clientOf, later, settled } from './support.mjs';

const blob = { id: 'a', fileName: 'cat.png', externalId: null, metadata: [{ key: 'album', value: 'Home' }, { key: 'owner', value: ' Tom ' }] };

/** A draft of that picture whose service answers each change with `result`. */
function draftOf(result = { __typename: 'UpdatedBlob' }, more = {}) {
  const draft = new FactsDraft({ ...blob, ...more });
  const { client, asked } = clientOf(async () => ({ updateBlob: await (typeof result === 'function' ? result() : result) }));
  const sent = () => asked.map(({ variables }) => variables);
  return { draft, client, sent, problems: () => Object.fromEntries(draft.problems.value) };
}

const numbers = (draft) => draft.pairs.value.map(({ number }) => number);

test('what the owner did not change is not sent', async () => {
  const { draft, client, sent } = draftOf();
  assert.equal(draft.isChanged, false);
  draft.change(draft.add(), { key: ' ' }); // an empty pair counts for nothing
  assert.equal(await draft.save(client), true);
  assert.deepEqual(sent(), []);
  draft.fileName.value = ' Tom.png ';
  draft.externalId.value = '7';
  assert.equal(await draft.save(client), true);
  assert.deepEqual(sent(), [{ id: 'a', input: { fileName: 'Tom.png', externalId: '7' } }]);
});

test('an empty text removes a name and an id', () => {
  const { draft } = draftOf(undefined, { externalId: '7' });
  draft.fileName.value = '';
  draft.externalId.value = '  ';
  assert.deepEqual(draft.input, { fileName: null, externalId: null });
});

test('facts replace those before, and a text that was not touched keeps its spaces', () => {
  const { draft } = draftOf();
  const [album] = numbers(draft);
  const added = draft.add();
  draft.change(added, { key: ' year ', value: '2021 ' });
  assert.deepEqual(draft.input, { metadata: [...blob.metadata, { key: 'year', value: '2021' }] });
  draft.remove(added);
  assert.equal(draft.isChanged, false);
  draft.remove(album);
  assert.deepEqual(draft.input, { metadata: [blob.metadata[1]] });
  draft.change(draft.add(), { ...blob.metadata[0] }); // the same facts in another order
  assert.equal(draft.isChanged, false);
});

test('a removed fact leads to the next one, or to the last', () => {
  const { draft } = draftOf();
  const [first, second] = numbers(draft);
  const third = draft.add();
  assert.equal(draft.remove(second), third);
  assert.equal(draft.remove(third), first);
  assert.equal(draft.remove(first), undefined);
});

test('a name of a fact that another one has is not sent', async () => {
  const { draft, client, sent, problems } = draftOf();
  const added = draft.add();
  draft.change(added, { key: 'album ', value: 'Work' });
  assert.equal(await draft.save(client), false);
  assert.deepEqual([problems(), sent()], [{ [`${added}.key`]: 'Another fact has this name.' }, []]);
});

test('what the service refuses is shown at its field', async () => {
  const problem = (message, ...path) => ({ path: ['input', ...path], message });
  const { draft, client, problems } = draftOf({
    __typename: 'InvalidInput',
    message: '…',
    problems: [
      problem('must be the name of a file', 'fileName'), problem('must be shorter', 'fileName'),
      problem('must have 1 to 255 characters, not 300', 'externalId'),
      problem('must have 1 to 64 characters, not 0', 'metadata', '1', 'key'),
      problem('must have 1 to 256 characters, not 300', 'metadata', '1', 'value'),
      problem('must have at most 4096 bytes', 'metadata'),
    ],
  });
  draft.fileName.value = 'a/b';
  draft.remove(numbers(draft)[0]);
  draft.add(); // empty: not among those that are sent
  const wrong = draft.add();
  draft.change(wrong, { value: 'y' });
  assert.equal(await draft.save(client), false);
  assert.deepEqual(problems(), {
    fileName: 'This must be the name of a file.',
    externalId: 'This must have 1 to 255 characters, not 300.',
    [`${wrong}.key`]: 'The name must have 1 to 64 characters, not 0.',
    [`${wrong}.value`]: 'The value must have 1 to 256 characters, not 300.',
    metadata: 'The facts must have at most 4096 bytes.',
  });
});

test('an id that another picture has leads to that picture', async () => {
  const results = [{ __typename: 'ExternalIdTaken', message: '…', blobId: 'b' }, { __typename: 'UpdatedBlob' }];
  const { draft, client, problems } = draftOf(() => results.shift());
  draft.externalId.value = '7';
  assert.equal(await draft.save(client), false);
  assert.deepEqual([problems(), draft.other.value], [{ externalId: 'Another picture of yours has this id.' }, 'b']);
  draft.externalId.value = '8';
  assert.equal(await draft.save(client), true);
  assert.deepEqual([problems(), draft.other.value], [{}, '']);
});

test('what is wrong with the whole request is shown above the fields', async () => {
  for (const [result, text] of [
    [{ __typename: 'BlobNotFound', message: 'No blob a.' }, 'This picture no longer exists.'],
    [{ __typename: 'Other', message: 'Not now.' }, 'Not now.'],
    [() => { throw new Error('no network'); }, 'The service can’t be reached.'],
  ]) {
    const { draft, client, problems } = draftOf(result);
    draft.fileName.value = 'Tom.png';
    assert.equal(await draft.save(client), false);
    assert.deepEqual([problems(), draft.saving.value, draft.fileName.value], [{ '': text }, false, 'Tom.png']);
  }
});

test('a second press while the first is saved sends nothing', async () => {
  const slow = later();
  const { draft, client, sent } = draftOf(() => slow.promise);
  draft.fileName.value = 'Tom.png';
  const saved = draft.save(client);
  await settled();
  assert.equal(await draft.save(client), false);
  slow.done({ __typename: 'UpdatedBlob' });
  assert.equal(await saved, true);
  assert.equal(sent().length, 1);
});
