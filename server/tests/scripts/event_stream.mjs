// A client of Server-Sent Events that is disconnected again and again, and comes back by itself:
// it has every message once. `make` makes its EventSource; the functions run where that is.
import assert from "node:assert/strict";
import { control, publish } from "./harness.mjs";

const ROUNDS = 5;
const CHANNELS = ["sse:a", "sse:b c"];

/** What is called where the EventSource is: keeps what comes. */
export function follow(source) {
  const seen = { connection: null, welcomes: 0, positions: {}, closes: [], failed: false };
  source.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.event === "session.created") {
      seen.connection = message.data.connection_id;
      seen.welcomes += 1;
    } else if (typeof message.seq === "number") {
      (seen.positions[message.room] ??= []).push(message.seq);
    } else if (message.event === "gap") {
      seen.failed = `a gap: ${data}`;
    }
  };
  source.addEventListener("close", ({ data }) => seen.closes.push(JSON.parse(data).code));
  return seen;
}

export function path() {
  const query = new URLSearchParams(CHANNELS.map((channel) => ["channel", channel]));
  return `v1/sse?${query}`;
}

/** Publishes, disconnects and compares; `seen` asks what has come. */
export async function judge(seen) {
  const until = async (what, is) => {
    const start = Date.now();
    for (;;) {
      const now = await seen();
      assert.equal(now.failed, false);
      if (is(now)) return now;
      assert.ok(Date.now() - start < 30_000, `waited for ${what}: ${JSON.stringify(now)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  let head = 0;
  const publish_all = (times) => {
    for (let n = 0; n < times; n += 1) {
      head += 1;
      for (const channel of CHANNELS) publish(channel, "test.event", { n });
    }
  };
  const has_all = ({ positions }) => CHANNELS.every((name) => positions[name]?.at(-1) === head);
  for (let round = 1; round <= ROUNDS; round += 1) {
    const { connection } = await until("a welcome", ({ welcomes }) => welcomes === round);
    publish_all(3);
    // The first time with nothing read behind the welcome, perhaps.
    if (round > 1) await until("the messages", has_all);
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ connection });
    const answer = await fetch(`${control}/v1/disconnect`, { method: "POST", headers, body });
    assert.equal(answer.status, 200);
    publish_all(3);
  }
  const { positions, closes } = await until("the rest", has_all);
  const all = Array.from({ length: head }, (_, n) => n + 1);
  for (const channel of CHANNELS) assert.deepEqual(positions[channel], all, channel);
  assert.deepEqual(closes, Array(ROUNDS).fill(4005));
}
