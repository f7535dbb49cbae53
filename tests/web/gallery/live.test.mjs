import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Live } from '../../../web/gallery/src/api/live.js';
import { settled } from './support.mjs';

/** A WebSocket of a service that accepts connections; with `silent`, it answers nothing more. */
class Socket {
  static all = [];
  static silent = false;
  static OPEN = 1;
  constructor() {
    this.readyState = 1;
    Socket.all.push(this);
    setImmediate(() => this.onopen());
  }
  send(text) {
    const { type } = JSON.parse(text);
    const answer = { connection_init: 'connection_ack', ping: Socket.silent ? undefined : 'pong' }[type];
    if (answer) setImmediate(() => this.onmessage({ data: JSON.stringify({ type: answer }) }));
  }
  close(code, reason) {
    this.readyState = 3;
    setImmediate(() => this.onclose?.({ code, reason, wasClean: false }));
  }
}

test('a connection without answers is replaced, and what it missed is asked for', async (context) => {
  globalThis.WebSocket = Socket;
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let returns = 0;
  const session = { liveEndpoint: new URL('ws://gallery.test/graphql'), authorization: undefined };
  const live = new Live(session, () => { returns += 1; });
  live.subscribe('subscription { blobEvents { kind } }', {}, () => {});
  const pass = async (seconds) => {
    for (let passed = 0; passed < seconds; passed += 1) {
      context.mock.timers.tick(1000);
      for (let turn = 0; turn < 5; turn += 1) await settled();
    }
  };
  while (!live.connected) await settled();
  await pass(120);
  assert.equal(Socket.all.length, 1);
  Socket.silent = true;
  await pass(31);
  assert.ok(Socket.all[0].readyState === 3);
  Socket.silent = false;
  await pass(16);
  assert.ok(live.connected);
  assert.equal(Socket.all.length, 2);
  assert.equal(returns, 1);
  await live.client.dispose();
});
