import { Alike } from './alike.js';
import { ask, change } from './api.js';
import { Corrections } from './corrections.js';
import { byId, make, notice, openModal, speak } from './dom.js';
import { PICTURE, REDELIVER, RELABEL } from './operations.js';
import { bytes, CALLBACK, count, described, failureText, isSuggestion, moment, percent, STATUS, title } from './words.js';

const SOON = 1500;
const CONFIRMED = { DETECTOR: 'confirmed', OWNER: 'added' };
const LOOKS = 20; // reloads after a webhook was sent again

/** The view of one picture: image, labels, facts and actions. */
export class PictureView {
  /** `actions`: remove(id), step(id, by), watch(blob), close(). */
  constructor(actions) {
    this.actions = actions;
    this.dialog = byId('picture');
    this.content = this.dialog.querySelector('.content');
    this.alike = new Alike();
    this.id = null;
    this.corrections = new Corrections((focus) => this.look(focus));
    this.dialog.addEventListener('close', () => {
      this.id = null;
      this.content.replaceChildren();
      actions.close();
    });
    this.dialog.addEventListener('click', (event) => {
      if (event.target === this.dialog) this.dialog.close(); // outside the content
    });
    this.dialog.addEventListener('keydown', (event) => {
      if (event.target.closest('input, textarea, select')) return;
      if (event.key === 'ArrowLeft') actions.step(this.id, -1);
      else if (event.key === 'ArrowRight') actions.step(this.id, 1);
      else if (event.key === 'Delete') this.#remove();
    });
  }

  /** Shows a picture. */
  async open(id) {
    if (id !== this.id) this.corrections.reset();
    this.id = id;
    this.alike.forget();
    if (!this.dialog.open) {
      this.content.replaceChildren(make('p', { className: 'wait' }, 'Loading …'));
      openModal(this.dialog);
    }
    await this.look();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  /** Reloads the picture; `focus` names the control to be focused. */
  async look(focus) {
    const { id } = this;
    if (!id) return null;
    try {
      const { blob } = await ask(PICTURE, { id });
      if (id !== this.id) return null;
      if (blob) this.#draw(blob, focus);
      else this.content.replaceChildren(...this.#message('This picture does not exist.'));
      return blob;
    } catch (error) {
      if (id === this.id && !this.dialog.querySelector('h2')) this.content.replaceChildren(...this.#message(error.message));
      return null;
    }
  }

  #message(text) {
    return [make('h2', { id: 'picture-title' }, text), this.#closeButton()];
  }

  #closeButton() {
    return make('button', { type: 'button', className: 'close', 'aria-label': 'Close', onclick: () => this.dialog.close() }, '×');
  }

  #remove() {
    const { id } = this;
    this.dialog.close();
    this.actions.remove(id);
  }

  async #relabel(blob) {
    await this.#do(RELABEL, 'Labelling again.', { id: blob.id, after: () => this.actions.watch(blob) });
  }

  async #do(operation, said, { id = this.id, after } = {}) {
    try {
      await change(operation, { id });
      notice(said);
      await after?.();
    } catch (error) {
      notice(error.message);
    }
    await this.look();
  }

  async #settled() {
    for (let looks = 0; looks < LOOKS; looks += 1) {
      const blob = await this.look();
      if (!['PENDING', 'RETRYING'].includes(blob?.callback?.status)) return;
      await new Promise((done) => { setTimeout(done, SOON); });
    }
  }

  #draw(blob, focus) {
    const focused = focus ?? document.activeElement?.dataset?.act;
    const final = blob.status === 'LABELLED' || blob.status === 'FAILED';
    const button = (act, text, onclick, disabled = false) => {
      const made = make('button', { type: 'button', onclick, disabled }, text);
      made.dataset.act = act;
      return made;
    };
    this.content.replaceChildren(
      this.#figure(blob),
      make(
        'div',
        { className: 'facts' },
        make('h2', { id: 'picture-title', tabIndex: -1 }, title(blob)),
        blob.failure && make('p', { className: 'failed' }, failureText(blob.failure)),
        this.#labels(blob),
        ...this.corrections.below(blob),
        this.alike.for(blob),
        make('h3', {}, 'About'),
        make(
          'dl',
          {},
          ...rows([
            ['Status', STATUS[blob.status] ?? blob.status],
            ['Type', blob.contentType],
            ['Size', bytes(blob.sizeBytes)],
            ['Pixels', blob.width && `${count(blob.width)} × ${count(blob.height)}`],
            ['Uploaded', moment(blob.createdAt)],
            ['Labelled', blob.labelledAt && moment(blob.labelledAt)],
            ['Id', blob.id],
          ]),
        ),
        this.#callback(blob.callback, button),
        make(
          'p',
          { className: 'actions' },
          button('relabel', 'Label again', () => this.#relabel(blob), !final),
          button('remove', 'Delete', () => this.#remove()),
        ),
      ),
      make('p', { className: 'steps' },
        button('before', '‹ Newer', () => this.actions.step(this.id, -1)),
        button('after', 'Older ›', () => this.actions.step(this.id, 1))),
      this.#closeButton(),
    );
    const target = focused && this.dialog.querySelector(`[data-act="${CSS.escape(focused)}"]`);
    (target || this.dialog.querySelector('.close')).focus();
    if (!focus) speak(described(blob));
  }

  #figure({ downloadUrl, width, height, labels, ...blob }) {
    const frame = make('figure', {});
    if (!downloadUrl) return frame;
    const image = make('img', { src: downloadUrl, alt: described({ labels, ...blob }), className: 'whole' });
    const sheet = make('div', { className: 'sheet' }, image);
    if (width && height) {
      image.width = width;
      image.height = height;
      sheet.style.setProperty('--ratio', width / height);
    }
    image.addEventListener('error', () => {
      sheet.replaceChildren(make('p', {}, 'This browser can’t show the picture. '),
        make('a', { href: downloadUrl, download: '' }, 'Download it'));
    });
    for (const { name, instances } of labels ?? []) {
      for (const { boundingBox: box } of instances) {
        const mark = make('span', { className: 'box', hidden: true, 'aria-hidden': 'true' });
        mark.dataset.of = name;
        for (const side of ['left', 'top', 'width', 'height']) mark.style[side] = `${box[side] * 100}%`;
        sheet.append(mark);
      }
    }
    frame.append(sheet);
    return frame;
  }

  #labels(blob) {
    const { labels } = blob;
    if (!labels) return null;
    if (!labels.length) return make('p', {}, 'No label reaches the minimum confidence.');
    const show = (name, shown) => {
      for (const each of this.dialog.querySelectorAll('.box')) each.hidden = !(shown && each.dataset.of === name);
    };
    return make(
      'ul',
      { className: 'labels', 'aria-label': 'Labels' },
      labels.map((label) => {
        const { name, confidence, parents, instances, source, confirmedAt } = label;
        const link = make('a', { href: `#/search?label=${encodeURIComponent(name)}` }, name);
        const item = make(
          'li',
          { className: isSuggestion(label) ? 'suggestion' : '' },
          link,
          make('span', { className: 'percent' }, isSuggestion(label) ? 'perhaps ' : '', confirmedAt ? CONFIRMED[source] : percent(confidence)),
          this.corrections.buttons(blob, label),
          make('meter', { min: 0, max: 100, value: confidence, 'aria-hidden': 'true' }),
          parents.length ? make('span', { className: 'parents' }, parents.join(' › ')) : null,
        );
        if (instances.length) {
          for (const [on, shown] of [['pointerenter', true], ['pointerleave', false], ['focusin', true], ['focusout', false]]) {
            item.addEventListener(on, () => show(name, shown));
          }
        }
        return item;
      }),
    );
  }

  #callback(callback, button) {
    if (!callback) return null;
    const { id, url, status, reason, nextAttemptAt, attempts } = callback;
    return make(
      'section',
      {},
      make('h3', {}, 'Webhook'),
      make('dl', {}, ...rows([
        ['URL', url],
        ['Status', `${CALLBACK[status] ?? status}${reason ? `: ${reason}` : ''}`],
        ['Next attempt', nextAttemptAt && moment(nextAttemptAt)],
      ])),
      attempts.length
        ? make(
            'ol',
            { className: 'attempts' },
            attempts.map(({ at, responseStatus, error, durationMs }) =>
              make('li', {}, `${moment(at)}: ${responseStatus ?? error ?? 'in progress'}`,
                durationMs === null ? '' : ` after ${count(durationMs)} ms`),
            ),
          )
        : null,
      make('p', {}, button('redeliver', 'Send again', () => this.#do(REDELIVER, 'Sending the webhook again.', { id, after: () => this.#settled() }), !attempts.length)),
    );
  }
}

function rows(pairs) {
  return pairs.filter(([, value]) => value).flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]);
}
