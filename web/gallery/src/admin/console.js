import { signal } from '@preact/signals';

import { pathOf } from './client.js';
import { List } from './list.js';

const PAUSE = 5000; // milliseconds between the end of a refresh and the next
const SHARE = 10; // times a refresh's duration, so that a busy service is asked less
const REFUSED = ['UNAUTHENTICATED', 'FORBIDDEN'];

/**
 * @typedef {{
 *   title: string, text: string, label: string, section: string,
 *   act: () => Promise<any>, done: (answer: any) => string,
 * }} Action what is done once the operator confirms it, and what is said then; `section` is where it is
 */

/** What the page shows, and what it does. */
export class Console {
  /**
   * @param {{
   *   client: import('./client.js').AdminClient,
   *   session: import('../api/session.js').Session,
   *   notices: import('../state/notices.js').Notices,
   *   isHidden?: () => boolean,
   * }} parts
   */
  constructor({ client, session, notices, isHidden = () => document.hidden }) {
    this.client = client;
    this.session = session;
    this.notices = notices;
    this.isHidden = isHidden;
    this.status = signal(/** @type {any} */ (null));
    /** Why the last refresh failed; empty when it did not. */
    this.problem = signal('');
    /** Why the visitor must sign in; null while it need not. */
    this.refused = signal(/** @type {string | null} */ (null));
    /** The owner that is signed in; empty where nobody is. */
    this.who = signal('');
    this.findings = signal(/** @type {any} */ (null));
    this.checking = signal(false);
    this.confirming = signal(/** @type {Action | null} */ (null));
    this.state = signal('exhausted'); // of the webhooks that are listed
    this.deliveries = new List(client, () => pathOf('deliveries', this.state.value));
    this.endpoints = new List(client, () => 'endpoints');
    this.owners = new List(client, () => 'owners');
    this.keys = new List(client, () => 'keys');
    /** @type {Map<string, List>} */
    this.letters = new Map();
    this.refreshing = /** @type {Promise<void> | null} */ (null);
  }

  /** Returns the dead letters of a queue. @param {string} queue */
  lettersOf(queue) {
    const known = this.letters.get(queue) ?? new List(this.client, () => pathOf('dead-letters', queue));
    this.letters.set(queue, known);
    return known;
  }

  /** Refreshes for ever, one refresh after the other, while somebody looks. @param {AbortSignal} end */
  async follow(end) {
    while (!end.aborted) {
      const began = performance.now();
      if (!this.isHidden() && this.refused.value === null) await this.refresh();
      const pause = Math.max(PAUSE, SHARE * (performance.now() - began));
      await new Promise((done) => {
        setTimeout(done, pause);
      });
    }
  }

  /** Reads what is shown again; while a refresh is under way that one suffices. */
  refresh() {
    this.refreshing ??= this.#read().finally(() => { this.refreshing = null; });
    return this.refreshing;
  }

  async #read() {
    try {
      const status = await this.client.get('status');
      const lists = [this.deliveries, this.endpoints, this.owners, this.keys, ...this.letters.values()];
      await Promise.all(lists.map((list) => list.refresh()));
      if (this.refused.value !== null) return; // signed out meanwhile
      this.status.value = status;
      this.problem.value = '';
    } catch (error) {
      if (this.refused.value !== null) return;
      if (REFUSED.includes(error.code)) this.#forget(this.#reason(error));
      else this.problem.value = error.message;
    }
  }

  /** Says why the visitor must sign in; nothing to one who comes. @param {import('../api/client.js').ServiceError} error */
  #reason(error) {
    if (error.code !== 'UNAUTHENTICATED' || !error.message.includes('send one as')) return error.message;
    return this.status.value ? 'Your sign-in has ended. Sign in again.' : '';
  }

  /** Asks the visitor to sign in, and keeps nothing of what was shown. @param {string} reason */
  #forget(reason) {
    this.refused.value = reason;
    this.status.value = null;
    this.findings.value = null;
    this.confirming.value = null;
    this.problem.value = '';
    this.#learnWho();
  }

  async #learnWho() {
    this.who.value = (await this.session.caller())?.owner ?? '';
  }

  /** Starts: finds out who is signed in, then refreshes for ever. @param {AbortSignal} end */
  async start(end) {
    await this.session.takeOver();
    this.#learnWho();
    await this.follow(end);
  }

  /** Signs in. Returns why that failed, or nothing. @param {string} key */
  async signIn(key) {
    const problem = await this.session.change(key);
    if (problem) return problem;
    this.refused.value = null;
    await this.refreshing; // it may be that of the former session
    await Promise.all([this.refresh(), this.#learnWho()]);
    return '';
  }

  /** Signs out. */
  async signOut() {
    const problem = await this.session.change('');
    if (problem) this.notices.show(problem);
    else this.#forget('You are signed out.');
  }

  /** Runs the checks of `labelling doctor`. */
  async check() {
    this.checking.value = true;
    try {
      this.findings.value = await this.client.get('findings');
      const bad = this.findings.value.items.filter((/** @type {any} */ { severity }) => severity !== 'ok').length;
      this.notices.speak(bad ? `${bad} findings.` : 'Nothing was found.');
    } catch (error) {
      this.notices.show(error.message);
    } finally {
      this.checking.value = false;
    }
  }

  /** Does what the operator has confirmed, tells the outcome, and shows what is there now. */
  async confirm() {
    const action = this.confirming.value;
    if (!action) return;
    this.confirming.value = null;
    try {
      this.notices.show(action.done(await action.act()));
    } catch (error) {
      this.notices.show(error.message);
    }
    await this.refreshing; // it may have read what was there before
    await this.refresh();
  }

  /** Asks whether to send all dead letters of a queue back. @param {string} queue @param {number} count */
  retryAll(queue, count) {
    this.confirming.value = {
      title: 'Retry all dead letters?',
      text: `${count} messages go back to the queue ${queue}, and are tried again at once.`,
      label: 'Retry all',
      section: 'dead-letters',
      act: () => this.client.post(pathOf('dead-letters', queue, 'retry')),
      done: ({ retried }) => `${retried} sent back to ${queue}.`,
    };
  }

  /** Asks whether to send a dead letter back. @param {any} letter */
  retry({ queue, id, subject }) {
    this.confirming.value = {
      title: 'Retry this message?',
      text: `Message ${id} about ${subject ?? 'an unknown subject'} goes back to the queue ${queue}, and is tried again at once.`,
      label: 'Retry',
      section: 'dead-letters',
      act: () => this.client.post(pathOf('dead-letters', queue, id, 'retry')),
      done: () => `Message ${id} was sent back to ${queue}.`,
    };
  }

  /** Asks whether to delete a dead letter. @param {any} letter */
  discard({ queue, id, subject }) {
    this.confirming.value = {
      title: 'Discard this message for good?',
      text: `Message ${id} about ${subject ?? 'an unknown subject'} is deleted and can’t be retried. Its picture or webhook stays as it is.`,
      label: 'Discard',
      section: 'dead-letters',
      act: () => this.client.post(pathOf('dead-letters', queue, id, 'discard')),
      done: () => `Message ${id} was discarded.`,
    };
  }

  /** Asks whether to send a webhook again. @param {any} delivery */
  redeliver({ id, owner, url }) {
    this.confirming.value = {
      title: 'Send this webhook again?',
      text: `${id} of ${owner} is sent to ${url}.`,
      label: 'Send again',
      section: 'webhooks',
      act: () => this.client.post(pathOf('deliveries', id, 'redeliver')),
      done: ({ sent }) => (sent ? `${id} is sent again.` : `${id} is on its way already.`),
    };
  }

  /** Asks whether to send webhooks to an endpoint again. @param {any} endpoint */
  enable({ owner, url }) {
    this.confirming.value = {
      title: 'Enable this endpoint?',
      text: `${url} answered 410 Gone. New webhooks of ${owner} are sent to it again; those that were cancelled are not.`,
      label: 'Enable',
      section: 'endpoints',
      act: () => this.client.post('endpoints/enable', { owner, url }),
      done: ({ enabled }) => `${enabled} is enabled.`,
    };
  }

  /** Asks whether to revoke an API key. @param {any} key */
  revoke({ id, owner, name }) {
    this.confirming.value = {
      title: 'Revoke this API key?',
      text: `Programs and people that use ${name ? `“${name}”` : id} of ${owner} get no access from now on. This can’t be undone.`,
      label: 'Revoke',
      section: 'keys',
      act: () => this.client.post(pathOf('keys', id, 'revoke')),
      done: () => `The key ${id} of ${owner} was revoked.`,
    };
  }
}
