import { signal } from '@preact/signals';

/**
 * @typedef {{key: number, text: string, actions: [string, () => void][], close: () => void}} Notice
 */

/** Short messages to the user, shown for some seconds and announced to screen readers. */
export class Notices {
  constructor() {
    this.list = signal(/** @type {Notice[]} */ ([]));
    this.spoken = signal('');
    /** The ids of the open dialogs, the topmost last: everything outside that one is inert. */
    this.dialogs = signal(/** @type {string[]} */ ([]));
    this.number = 0;
  }

  /** Announces a text to screen readers. @param {string} text */
  speak(text) {
    this.spoken.value = text === this.spoken.value ? `${text}\u00a0` : text; // else a repeated text is not announced
  }

  /**
   * Shows a notice, at least until the focus leaves it. `actions` are [text, function] for its buttons; `onEnd` is called when it ends.
   * Returns a function that closes it.
   * @param {string} text
   * @param {{actions?: [string, () => void][], seconds?: number, onEnd?: () => void}} [options]
   */
  show(text, { actions = [], seconds = 8, onEnd = () => {} } = {}) {
    this.number += 1;
    const key = this.number;
    const close = () => {
      if (!this.list.value.some((each) => each.key === key)) return;
      clearTimeout(timer);
      this.list.value = this.list.value.filter((each) => each.key !== key);
      onEnd();
    };
    const end = () => {
      if (globalThis.document?.activeElement?.closest('#notices')) timer = setTimeout(end, 1000);
      else close();
    };
    let timer = setTimeout(end, seconds * 1000);
    this.list.value = [...this.list.value, { key, text, actions, close }];
    this.speak(text);
    return close;
  }
}
