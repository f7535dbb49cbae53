import assert from 'node:assert/strict';
import { test } from 'node:test';

import { captionOf } from '../../../web/gallery/src/text/caption.js';
import { described, title } from '../../../web/gallery/src/text/words.js';
import { byCategory } from '../../../web/gallery/src/text/categories.js';
import { dayOf, headingOfDay, headingsOf } from '../../../web/gallery/src/text/days.js';
import { EVERYTHING } from '../../../web/gallery/src/text/search.js';
import { columnsOf, extendRows, placeAfter, rowAt, rowOfPlace } from '../../../web/gallery/src/ui/layout.js';
import { blobOf, shown } from './support.mjs';

const columns = { columns: 3, side: 150, row: 200, gap: 10 };
const laidOut = (headings) => {
  const rows = [];
  const height = extendRows(rows, (place) => headings[place], headings.length, columns);
  return { rows, height };
};
const headings = [...Array(4).fill('Today'), ...Array(2).fill('January 2026')];

test('each date has a heading and rows of its own', () => {
  const { rows, height } = laidOut(headings);
  assert.deepEqual(rows.map(({ first, count, heading }) => [first, count, heading]), [
    [0, 0, 'Today'], [0, 3, ''], [3, 1, ''], [4, 0, 'January 2026'], [4, 2, ''],
  ]);
  assert.deepEqual(rows.map(({ top }) => top), [0, 52, 252, 452, 504]);
  assert.equal(height, 704);
});

test('pictures that follow extend the rows as a new layout would', () => {
  const all = [...headings, 'January 2026', 'January 2026', 'May 2025'];
  for (let before = 0; before <= all.length; before += 1) {
    const { rows } = laidOut(all.slice(0, before));
    const height = extendRows(rows, (place) => all[place], all.length, columns);
    assert.deepEqual({ rows, height }, laidOut(all));
  }
});

test('pictures without headings have rows alone', () => {
  assert.deepEqual(laidOut(['', '', '', '']).rows.map(({ count }) => count), [3, 1]);
});

test('the row at a height and that of a picture are found', () => {
  const { rows } = laidOut(headings);
  assert.deepEqual([-5, 0, 51, 52, 251, 252, 9999].map((y) => rowAt(rows, y)), [0, 0, 0, 1, 1, 2, 4]);
  assert.deepEqual([0, 2, 3, 4, 5].map((place) => rowOfPlace(rows, place)), [1, 1, 2, 4, 4]);
  assert.equal(rowAt([], 10), 0);
});

test('arrow keys skip headings and stay in their column where they can', () => {
  const { rows } = laidOut(headings);
  const after = (place, key) => placeAfter(rows, place, key, headings.length);
  assert.equal(after(1, 'ArrowDown'), 3);
  assert.equal(after(3, 'ArrowDown'), 4);
  assert.equal(after(5, 'ArrowUp'), 3);
  assert.equal(after(3, 'ArrowRight'), 4);
  assert.equal(after(5, 'Home'), 0);
  assert.equal(after(0, 'End'), 5);
  for (const [place, key] of [[0, 'ArrowLeft'], [5, 'ArrowRight'], [1, 'ArrowUp'], [4, 'ArrowDown'], [0, 'Enter'], [0, 'Home']]) {
    assert.equal(after(place, key), undefined);
  }
});

test('columns fill the width of any screen', () => {
  for (const width of [358, 788, 1440, 3840]) {
    const { columns: number, side, gap } = columnsOf(width);
    assert.ok(Math.abs(number * side + (number - 1) * gap - width) < 1e-6);
    assert.ok(side >= 150 && side < 430, `${width}: ${side}`);
  }
});

test('headings are today, yesterday, then months', () => {
  const now = new Date(2026, 2, 1, 12);
  const heading = (...date) => headingOfDay(dayOf(new Date(...date)), now);
  assert.equal(heading(2026, 2, 1), 'Today');
  assert.equal(heading(2026, 1, 28), 'Yesterday');
  assert.match(heading(2026, 1, 27), /2026/);
  assert.equal(heading(2026, 1, 27), heading(2026, 1, 1));
  assert.notEqual(heading(2026, 1, 1), heading(2026, 0, 31));
});

test('there are no dates in the order of confidence', async () => {
  const { collection } = await shown([blobOf('a')]);
  assert.match(headingsOf(collection)(0), /2026/);
  collection.show({ ...EVERYTHING, labels: ['Cat'], order: 'CONFIDENCE' });
  assert.equal(headingsOf(collection)(0), '');
});

test('labels are listed by category, the most used first and those without one last', () => {
  const entries = [['Thing', 9, []], ['Cat', 5, ['Animals and Pets']], ['Dog', 2, ['Animals and Pets']], ['Car', 7, ['Vehicles']]]
    .map(([name, blobCount, categories]) => ({ name, blobCount, categories, cover: null }));
  assert.deepEqual(byCategory(entries).map(([category, found]) => [category, found.map(({ name }) => name)]), [
    ['Vehicles', ['Car']], ['Animals and Pets', ['Cat', 'Dog']], ['Other labels', ['Thing']],
  ]);
});

test('a tile names the file of a picture that has no labels', () => {
  const linesOf = (blob, more = {}) => {
    const { name, more: second } = captionOf({ key: 'a', at: 0, blob: blobOf('a', blob), ...more });
    return [name, second];
  };
  const failure = { code: 'CORRUPT_IMAGE', message: 'It breaks off.' };
  const failed = { status: 'FAILED', labels: null, failure };
  assert.deepEqual(linesOf({ ...failed, fileName: 'dog.jpg' }), ['dog.jpg', 'The file is damaged.']);
  assert.deepEqual(linesOf(failed, { name: 'dog.jpg' }), ['dog.jpg', 'The file is damaged.']); // uploaded here
  assert.deepEqual(linesOf(failed), ['Could not be labelled', 'The file is damaged.']);
  assert.deepEqual(linesOf({ labels: [], fileName: 'dog.jpg' }), ['Nothing found', 'dog.jpg']);
  assert.deepEqual(linesOf({ labels: null, status: 'LABELLING', fileName: 'dog.jpg' }), ['Being labelled', 'dog.jpg']);
});

/** What a tile, a title and an image text say of labels: [name, confidence, parents]. */
function saidOf(...labels) {
  const blob = blobOf('a', { labels: labels.map(([name, confidence, parents = []]) => ({ name, confidence, parents, confirmedAt: null })) });
  const { name, more } = captionOf({ key: 'a', at: 0, blob });
  assert.ok(name.startsWith(title(blob)) && described(blob).startsWith(name));
  return `${name}; ${more}`;
}

test('a tile names what a picture shows rather than a part of it', () => {
  assert.equal(saidOf(['Person', 100], ['Face', 100, ['Person']]), 'Person 100%; Face 100%');
  assert.equal(saidOf(['Face', 100, ['Person']], ['Person', 99], ['Dog', 97, ['Animal']], ['Animal', 98]), 'Person 99%; Dog 97%, Animal 98%');
  assert.equal(saidOf(['Head', 96, ['Person']], ['Face', 96, ['Head', 'Person']]), 'Head 96%; Face 96%');
});

test('a tile names the kind, if that is about as certain as what it is a kind of', () => {
  const cat = ['Cat', 98, ['Feline', 'Mammal', 'Animal']];
  const above = [['Animal', 99], ['Mammal', 99, ['Animal']], ['Feline', 99, ['Mammal', 'Animal']]];
  const tabby = (confidence) => ['Tabby Cat', confidence, ['Cat', 'Feline', 'Mammal', 'Animal']];
  assert.equal(saidOf(...above, cat), 'Cat 98%; Feline 99%, Mammal 99%');
  assert.equal(saidOf(...above, cat, tabby(56)), 'Cat 98%; Tabby Cat 56%, Feline 99%');
  assert.equal(saidOf(...above, cat, tabby(90)), 'Tabby Cat 90%; Cat 98%, Feline 99%');
  const doubtful = [['Animal', 52], ['Mammal', 39, ['Animal']], ['Canine', 31, ['Mammal', 'Animal']], ['Dog', 30, ['Canine', 'Mammal', 'Animal']]];
  assert.equal(saidOf(...doubtful), 'Perhaps Animal 52%; Dog 30%, Canine 31%');
  assert.equal(saidOf(['Sports', 31], ['Ski', 30, ['Sports']]), 'Perhaps Ski 30%; Sports 31%');
});

test('a tile of a search says how certain the label searched for is, unless a kind of it tells more', () => {
  const labels = [['Sea', 95, ['Water']], ['Water', 95], ['Dog', 90, ['Animal']], ['Animal', 95], ['Sunset', 32]]
    .map(([name, confidence, parents = []]) => ({ name, confidence, parents, confirmedAt: null }));
  const said = (...found) => {
    const { name, more, unsure } = captionOf({ key: 'a', at: 0, blob: blobOf('a', { labels }) }, new Map(found.map((each) => [`${each}`, each])));
    return [`${name}; ${more}`, unsure];
  };
  assert.deepEqual(said(), ['Sea 95%; Dog 90%, Water 95%', false]);
  assert.deepEqual(said('Sunset'), ['Perhaps Sunset 32%; Sea 95%, Dog 90%', true]);
  assert.deepEqual(said('Dog', null), ['Dog 90%; Sea 95%, Water 95%', false]);
  assert.deepEqual(said('Water'), ['Sea 95%; Dog 90%, Water 95%', false]);
  assert.deepEqual(said('Animal'), ['Animal 95%; Sea 95%, Dog 90%', false]);
});
