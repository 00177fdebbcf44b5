import assert from "node:assert/strict";
import { test } from "node:test";

/** Web Locks, which Node has not: each name is held by one after the other. */
const queues = new Map();
const request = (name, ...more) => {
  const [hold, { signal } = {}] = more.reverse();
  const turn = () => (signal?.aborted ? undefined : hold());
  const held = (queues.get(name) ?? Promise.resolve()).then(turn);
  queues.set(name, held.catch(() => {}));
  return held;
};
Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
const { connectShared } = await import("../src/tabs.js");

/** A server that confirms whatever it is asked. */
class Server {
  static newest;

  constructor() {
    Server.newest = this;
    queueMicrotask(() => this.say({ type: "event", event: "session.created", data: {} }));
  }

  send(text) {
    const { id, event, data } = JSON.parse(text);
    const position = { epoch: "e", seq: 0, oldest: 1 };
    const channels = Object.fromEntries((data.channels ?? []).map((name) => [name, position]));
    const told = data.pattern ? { epoch: "e" } : { channels: data.channels, positions: channels };
    queueMicrotask(() => this.say({ type: "response", correlation_id: id, event, data: told }));
  }

  say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  publish(room, seq) {
    this.say({ type: "event", event: "e", room, seq, data: {} });
  }

  close() {}
}

const until = async (holds) => {
  while (!holds()) await new Promise((done) => setTimeout(done, 5));
};

/** A tab with a subscription to a pattern, and what it has seen. */
async function open(url) {
  const client = connectShared(url, { WebSocket: Server, base: 1 });
  const seen = [];
  const onGap = ({ reason, from, to }) => seen.push([reason, from, to]);
  const pattern = client.subscribe("p:*", { onMessage: ({ seq }) => seen.push(seq), onGap });
  await pattern.ready;
  return { client, seen, pattern };
}

/** Ends the connection, and waits until all have come back. */
async function reconnect(tabs) {
  const before = tabs.map(({ pattern }) => pattern.confirmations);
  Server.newest.onclose({ code: 1006 });
  await until(() => tabs.every(({ pattern }, n) => pattern.confirmations > before[n]));
}

const timeout = 20_000;

test("every tab is told where nobody knows what came of a pattern's channel", { timeout }, async () => {
  const url = "ws://reconnected";
  const tabs = [await open(url), await open(url)];
  Server.newest.publish("p:0", 5);
  await reconnect(tabs);
  // This one has missed nothing.
  const later = await open(url);
  Server.newest.publish("p:1", 5);
  const expected = [5, ["unknown", undefined, 4], 5];
  for (const { seen } of tabs) {
    await until(() => seen.length >= expected.length);
    assert.deepEqual(seen, expected);
  }
  await until(() => later.seen.length);
  assert.deepEqual(later.seen, [5]);
  for (const { client } of [...tabs, later]) client.close();
});

test("a tab goes on from its own place where the tab that leads has none", { timeout }, async () => {
  const url = "ws://led-by-another";
  const [first, second] = [await open(url), await open(url)];
  Server.newest.publish("p:0", 1);
  await until(() => second.seen.length);
  const { confirmations } = second.pattern;
  first.client.close();
  await until(() => second.pattern.confirmations > confirmations);
  // The tab that leads now does not know what came before.
  Server.newest.publish("p:1", 3);
  await reconnect([second]);
  Server.newest.publish("p:0", 9);
  const expected = [1, ["unknown", undefined, 2], 3, ["unknown", 2, 8], 9];
  await until(() => second.seen.length >= expected.length);
  assert.deepEqual(second.seen, expected);
  second.client.close();
});
