import { ask, change, ServiceError } from './api.js';
import { make, notice, speak } from './dom.js';
import { ADD_LABELS, CONFIRM_LABELS, LABELS, REMOVE_LABELS, RESET_LABELS } from './operations.js';
import { percent } from './words.js';

const TYPING = 120; // milliseconds
const LONGEST_NAME = 100; // characters

const folded = (name) => name.toLowerCase();
const has = (labels, name) => labels.some((each) => folded(each.name ?? each) === folded(name));

/** The labels of one picture, which its owner corrects. `changed()` is called after each correction. */
export class Corrections {
  constructor(changed) {
    this.changed = changed;
    this.undo = null;
    this.options = make('datalist', { id: 'label-names' });
    this.input = make('input', {
      type: 'text',
      maxLength: LONGEST_NAME,
      autocomplete: 'off',
      list: 'label-names',
      'aria-label': 'Add a label',
      placeholder: 'Add a label',
      oninput: () => this.#complete(),
    });
    this.input.dataset.act = 'add-name';
    const button = make('button', { type: 'submit' }, 'Add');
    button.dataset.act = 'add';
    this.form = make('form', { className: 'add', onsubmit: (event) => this.#add(event) }, this.input, this.options, button);
  }

  /** Forgets what can be undone and what was typed: another picture is shown. */
  reset() {
    this.undo = null;
    this.input.value = '';
    this.options.replaceChildren();
  }

  /** Returns the controls below the labels of a blob: undo, add, and what the detector found. */
  below(blob) {
    this.blob = blob;
    if (!blob.labels) return [];
    return [this.#undoLine(), this.form, this.#detected()];
  }

  /** Returns the buttons of one label. One that was only added is withdrawn rather than rejected. */
  buttons(blob, { name, source, confirmedAt }) {
    const confirmed = confirmedAt !== null;
    const toggle = () => (confirmed ? this.#do(RESET_LABELS, name, 'Not confirmed') : this.#do(CONFIRM_LABELS, name, 'Confirmed'));
    const remove = has(blob.detectedLabels, name) ? REMOVE_LABELS : RESET_LABELS;
    return make(
      'span',
      { className: 'correct' },
      source === 'OWNER'
        ? null
        : this.#button(`confirm ${name}`, '✓', confirmed ? `Do not confirm ${name}` : `Confirm ${name}`, toggle, confirmed),
      this.#button(`remove ${name}`, '×', `Remove ${name}`, () => this.#do(remove, name, 'Removed')),
    );
  }

  #button(act, text, label, onclick, pressed) {
    const made = make('button', { type: 'button', className: 'quiet', title: label, 'aria-label': label, onclick }, text);
    if (pressed !== undefined) made.setAttribute('aria-pressed', String(pressed));
    made.dataset.act = act;
    return made;
  }

  #undoLine() {
    if (!this.undo) return null;
    const { text, act } = this.undo;
    return make('p', { className: 'undo' }, `${text}. `, this.#button('undo', 'Undo', `Undo: ${text}`, act));
  }

  #detected() {
    const { detectedLabels, labels, rejectedLabels } = this.blob;
    const others = rejectedLabels.filter((name) => !has(detectedLabels, name));
    const added = labels.some(({ source }) => source === 'OWNER');
    if (!rejectedLabels.length && !added && !labels.some(({ confirmedAt }) => confirmedAt)) return null;
    const restore = (name) => this.#button(`restore ${name}`, 'Restore', `Restore ${name}`, () => this.#do(RESET_LABELS, name, 'Restored'));
    return make(
      'details',
      { className: 'detected', open: this.open, ontoggle: ({ target }) => { this.open = target.open; } },
      make('summary', {}, 'What the detector found'),
      make(
        'ul',
        { 'aria-label': 'What the detector found' },
        detectedLabels.map(({ name, confidence }) => {
          const removed = has(rejectedLabels, name);
          return make('li', {}, make(removed ? 'del' : 'span', {}, `${name} ${percent(confidence)}`), removed ? restore(name) : null);
        }),
        others.map((name) => make('li', {}, make('del', {}, name), restore(name))),
      ),
    );
  }

  #add(event) {
    event.preventDefault();
    const name = this.input.value.trim();
    if (!name) return;
    this.input.value = '';
    this.options.replaceChildren();
    this.#do(ADD_LABELS, name, 'Added');
  }

  /** Corrects a label, and offers to undo that. */
  async #do(operation, name, done) {
    const back = this.#former(name);
    if (!(await this.#correct(operation, { names: [name] }))) return;
    const text = `${done} ${name}`;
    speak(text);
    this.undo = { text, act: () => this.#back(back) };
    await this.changed('undo');
  }

  async #back({ operation, variables }) {
    if (!(await this.#correct(operation, variables))) return;
    this.undo = null;
    speak('Undone');
    await this.changed('add-name');
  }

  async #correct(operation, { names, labels }) {
    const variables = operation === ADD_LABELS ? { labels: labels ?? names.map((name) => ({ name })) } : { names };
    try {
      const { outcomes } = await change(operation, { ids: [this.blob.id], ...variables });
      if (outcomes[0].message !== undefined) throw new ServiceError(outcomes[0].message);
      return true;
    } catch (error) {
      notice(error.message);
      return false;
    }
  }

  /** Returns what brings back the present decision about a label. */
  #former(name) {
    const label = this.blob.labels.find((each) => folded(each.name) === folded(name));
    if (has(this.blob.rejectedLabels, name)) return { operation: REMOVE_LABELS, variables: { names: [name] } };
    if (label?.source === 'OWNER') {
      const boxes = label.instances.map(({ boundingBox }) => boundingBox);
      const labels = boxes.length ? boxes.map((boundingBox) => ({ name, boundingBox })) : [{ name }];
      return { operation: ADD_LABELS, variables: { labels } };
    }
    return { operation: label?.confirmedAt ? CONFIRM_LABELS : RESET_LABELS, variables: { names: [name] } };
  }

  #complete() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      const prefix = this.input.value.trimStart();
      if (!prefix) return;
      try {
        const { labels } = await ask(LABELS, { prefix });
        if (prefix !== this.input.value.trimStart()) return;
        this.options.replaceChildren(...labels.edges.map(({ node: { name } }) => make('option', { value: name })));
      } catch {
        this.options.replaceChildren(); // completion is optional
      }
    }, TYPING);
  }
}
