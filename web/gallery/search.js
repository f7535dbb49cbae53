import { ask } from './api.js';
import { byId, make } from './dom.js';
import { LABELS } from './operations.js';
import { count, withWord } from './words.js';

const MOST = 10; // the API's limit
const TYPING = 120; // milliseconds

/** The search for labels, with completion. Calls `onSearch` with {labels, least}. */
export class Search {
  constructor(onSearch) {
    this.onSearch = onSearch;
    this.labels = [];
    this.least = 0;
    this.options = [];
    this.active = -1;
    this.input = byId('label');
    this.list = byId('suggestions');
    this.input.addEventListener('input', () => this.#complete(TYPING));
    this.input.addEventListener('click', () => this.#complete(0));
    this.input.addEventListener('blur', () => this.#close());
    this.input.addEventListener('keydown', (event) => this.#key(event));
    byId('search').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#pick(this.options[Math.max(0, this.active)]?.name ?? this.input.value.trim());
    });
    byId('search').addEventListener('pointerdown', ({ target }) => {
      if (target.closest('ul') || target === this.input) return;
      requestAnimationFrame(() => this.input.focus());
    });
    const range = byId('least-range');
    range.addEventListener('input', () => { byId('least').textContent = range.value; });
    range.addEventListener('change', () => {
      this.least = Number(range.value);
      this.onSearch(this.search);
    });
  }

  get search() {
    return { labels: [...this.labels], least: this.least };
  }

  /** Shows a search without calling `onSearch`. */
  show({ labels, least }) {
    this.labels = labels.slice(0, MOST);
    this.least = least;
    byId('least-range').value = least;
    byId('least').textContent = least;
    byId('confidence').hidden = !labels.length;
    byId('chosen').replaceChildren(
      ...this.labels.map((label) =>
        make('li', {}, make('button', {
          type: 'button',
          'aria-label': `Remove ${label} from the search`,
          onclick: () => this.#drop(label),
        }, label, make('span', { 'aria-hidden': 'true' }, ' ×'))),
      ),
    );
    this.input.placeholder = labels.length ? 'and also …' : 'Search by label';
    this.input.disabled = this.labels.length >= MOST;
  }

  #drop(label) {
    this.show({ labels: this.labels.filter((each) => each !== label), least: this.least });
    this.input.focus();
    this.onSearch(this.search);
  }

  #pick(label) {
    this.input.value = '';
    this.#close();
    if (!label || this.labels.some((each) => each.toLowerCase() === label.toLowerCase())) return;
    this.show({ labels: [...this.labels, label], least: this.least });
    this.onSearch(this.search);
  }

  #complete(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      const prefix = this.input.value.trimStart();
      try {
        const { labels } = await ask(LABELS, { prefix });
        if (prefix !== this.input.value.trimStart() || document.activeElement !== this.input) return;
        const options = labels.edges.map(({ matchedWord, node }) => ({ ...node, word: matchedWord }));
        this.#open(options.filter(({ name }) => !this.labels.includes(name)));
      } catch {
        this.#close(); // completion is optional
      }
    }, wait);
  }

  #open(options) {
    this.options = options;
    this.active = -1;
    this.list.replaceChildren(
      ...options.map(({ name, word, blobCount }, index) =>
        make('li', {
          id: `suggestion-${index}`,
          role: 'option',
          'aria-selected': 'false',
          // Runs before the input loses focus, which closes the list.
          onpointerdown: (event) => { event.preventDefault(); this.#pick(name); },
        }, make('span', {}, withWord(name, word)), make('span', { className: 'count' }, count(blobCount))),
      ),
    );
    this.list.hidden = !options.length;
    this.input.setAttribute('aria-expanded', String(options.length > 0));
    this.input.removeAttribute('aria-activedescendant');
  }

  #close() {
    clearTimeout(this.timer);
    this.#open([]);
  }

  #key(event) {
    const { length } = this.options;
    if (event.key === 'Escape' && length) {
      event.preventDefault();
      this.#close();
    } else if (event.key === 'Backspace' && !this.input.value && this.labels.length) {
      this.#drop(this.labels.at(-1));
    } else if (event.key === 'ArrowDown' && !length) {
      event.preventDefault();
      this.#complete(0);
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && length) {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      this.active = (this.active + step + length + (this.active < 0 && step < 0 ? 1 : 0)) % length;
      [...this.list.children].forEach((each, index) => {
        each.setAttribute('aria-selected', String(index === this.active));
      });
      this.input.setAttribute('aria-activedescendant', `suggestion-${this.active}`);
    }
  }
}
