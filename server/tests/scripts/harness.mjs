// What the Node clients share: where the server is, how to publish, what each of them must see.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const url = process.env.SERVER_URL;
export const control = process.env.SERVER_CONTROL;
export const ca = process.env.SERVER_CA ? readFileSync(process.env.SERVER_CA) : undefined;
export const load = createRequire(process.env.TEST_TOOLS + "/");

const TIMEOUT_S = process.env.LIMIT ?? 300;
setTimeout(() => {
  console.error(`${process.argv[1]}: not done after ${TIMEOUT_S} s`);
  process.exit(1);
}, TIMEOUT_S * 1000).unref();

/** Publishes over HTTP as a service would, with curl; returns the message's seq. */
export function publish(channel, event, data) {
  const command = ["-sS", "--fail-with-body", "--max-time", "10", "--data-binary", "@-"];
  command.push("-H", "content-type: application/json", control + "/v1/publish");
  const input = JSON.stringify({ channel, event, data });
  return JSON.parse(execFileSync("curl", command, { input, encoding: "utf8" })).results[0].seq;
}

/** Publishes a batch without stopping this program, which may be a browser's other end. */
export async function publishAll(batch) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(batch);
  const answer = await fetch(`${control}/v1/publish`, { method: "POST", headers, body });
  assert.equal(answer.status, 202, await answer.text());
}

/**
 * Talks through a WebSocket with the browser's interface: welcome, subscribe, a broadcast, close.
 * `open` makes the socket.
 */
export async function converse(open) {
  const socket = open();
  const received = [];
  let wake = () => {};
  socket.addEventListener("message", ({ data }) => {
    received.push(JSON.parse(data));
    wake();
  });
  const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
  const failed = closed.then(({ code, reason }) => {
    throw new Error(`closed with ${code} ${reason}`);
  });
  failed.catch(() => {});
  const next = async () => {
    while (received.length === 0) {
      await Promise.race([failed, new Promise((resolve) => (wake = resolve))]);
    }
    return received.shift();
  };

  const welcome = await next();
  assert.equal(welcome.event, "session.created");
  assert.equal(welcome.data.secure, url.startsWith("wss:"));

  const data = { channel: "quality:node" };
  socket.send(JSON.stringify({ id: "1", type: "request", event: "subscribe", data }));
  const reply = await next();
  assert.equal(reply.correlation_id, "1");
  assert.equal(reply.data.status, "subscribed");

  for (const size of [1, 126, 70_000]) {
    const text = "€".repeat(size);
    const seq = publish("quality:node", "coverage.updated", { text });
    const event = await next();
    const told = [event.event, event.room, event.seq];
    assert.deepEqual(told, ["coverage.updated", "quality:node", seq]);
    assert.equal(event.data.text, text);
  }

  socket.close(1000, "done");
  const { code, wasClean } = await closed;
  assert.deepEqual({ code, wasClean }, { code: 1000, wasClean: true });
}
