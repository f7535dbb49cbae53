import { signal } from '@preact/signals';

const PAGE = 50;
const MOST = 200; // that one request returns

/** A list of the service, which is read while it is open. */
export class List {
  /**
   * @param {import('./client.js').AdminClient} client
   * @param {() => string} path
   */
  constructor(client, path) {
    this.client = client;
    this.path = path;
    this.items = signal(/** @type {any[] | null} */ (null));
    this.hasNext = signal(false);
    this.isOpen = false;
    this.shown = PAGE;
  }

  /** Whether the page can show more. */
  get canGrow() {
    return this.hasNext.value && this.shown < MOST;
  }

  /** Opens or closes the list. @param {boolean} isOpen */
  toggle(isOpen) {
    this.isOpen = isOpen;
    return this.refresh();
  }

  /** Shows more. */
  more() {
    this.shown = Math.min(MOST, this.shown + PAGE);
    return this.refresh();
  }

  /** Reads the list again if it is open. Throws ServiceError. */
  async refresh() {
    if (!this.isOpen) return;
    const path = this.path();
    const answer = await this.client.get(path, { limit: this.shown });
    if (path !== this.path()) return; // another was chosen meanwhile
    this.items.value = answer.items;
    this.hasNext.value = answer.has_next;
  }
}
