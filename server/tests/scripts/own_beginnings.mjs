// Subscriptions of the JavaScript client that begin with older messages, over both transports.
import assert from "node:assert/strict";
import { load, publishAll, url } from "./harness.mjs";
import { connect } from "../../../clients/javascript/src/uringcast.js";

const { WebSocket } = load("ws");
const KEYS = ["x", "y", "x", "x", "z", "x"];
await publishAll(KEYS.map((key, n) => ({ channel: "keyed", event: "e", data: { n }, key })));

let runs = 0;

/** What a subscription is handed up to the message that is published behind its confirmation. */
async function handed(transport, options) {
  const run = ++runs;
  const client = connect(url, { transport, WebSocket });
  const seen = [];
  let over;
  const done = new Promise((resolve) => (over = resolve));
  const onMessage = ({ data, seq }) => (data.last === run ? over() : seen.push(seq));
  const onGap = ({ reason, from, to }) => seen.push([reason, from, to]);
  await client.subscribe("keyed", { ...options, onMessage, onGap }).ready;
  await publishAll([{ channel: "keyed", event: "e", data: { last: run }, key: "last" }]);
  await done;
  const positions = client.positions();
  client.close();
  return { seen, at: positions.keyed.seq };
}

let head = KEYS.length;
for (const transport of ["ws", "sse"]) {
  assert.deepEqual(await handed(transport, {}), { seen: [], at: ++head });
  const { seen, at } = await handed(transport, { replay: "latest" });
  // The messages that end a run are of one key.
  assert.deepEqual(seen.slice(0, 4), [2, ["conflated", 3, 4], 5, 6], transport);
  assert.equal(seen.at(-1), head);
  assert.equal(at, ++head);
  assert.deepEqual((await handed(transport, { last: 2 })).seen, [head - 1, head], transport);
  head++;
}
console.log("ok");
