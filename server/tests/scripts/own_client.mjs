// Many clients of clients/javascript in one process. Prints what each of them was handed.
import { createHmac } from "node:crypto";
import { createRequire } from "node:module";

const { CLIENTS, COUNT, JWT_SECRET, PATTERN, SERVER_URL, SOCKET, TEST_TOOLS } = process.env;
const { connect } = await import(`${CLIENTS}/javascript/src/uringcast.js`);
const load = createRequire(`${TEST_TOOLS}/`);
const WebSocket = SOCKET === "ws" ? load("ws") : load("undici").WebSocket;
const channels = process.env.CHANNELS.split(",");
/** Seconds: so that tokens end in the middle. */
const LIFE = 4;
const late = setTimeout(() => {
  console.error("not done after 280 s");
  process.exit(1);
}, 280_000);

function token() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + LIFE;
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "u", exp })}`;
  return `${text}.${createHmac("sha256", JWT_SECRET).update(text).digest("base64url")}`;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** How often each mark was seen. */
const marks = new Map();
function mark(n) {
  marks.set(n, (marks.get(n) ?? 0) + 1);
  if (marks.get(n) === COUNT * channels.length) console.log(`at ${n}`);
}

async function one(number, ready) {
  const seen = Object.fromEntries(channels.map((channel) => [channel, []]));
  const left = new Set(channels);
  let over = () => {};
  const done = new Promise((resolve) => (over = resolve));
  const waits = { idle: 2000, patience: 4000, base: 100, max: 500 };
  const getToken = JWT_SECRET ? token : undefined;
  const client = connect(SERVER_URL, { WebSocket, getToken, ...waits });
  const onMessage = async ({ room, data }) => {
    // Some handlers take their time.
    if (number % 2 && data.n % 50 === 0) await pause(5);
    seen[room].push(data.n);
    if (data.mark === "mark") mark(data.n);
    if (data.mark === "last") left.delete(room);
    if (!left.size) over();
  };
  const onGap = ({ channel, reason, missed }) => seen[channel].push([reason, missed ?? null]);
  const plain = (message) => void onMessage(message);
  const handlers = { onGap, onMessage: number % 2 ? onMessage : plain };
  const names = PATTERN ? [PATTERN] : channels;
  await Promise.all(names.map((name) => client.subscribe(name, handlers).ready));
  ready();
  await done;
  client.close();
  return { number, seen };
}

let missing = Number(COUNT);
const ready = () => --missing || console.log("ready");
const all = await Promise.all(Array.from({ length: missing }, (_, n) => one(n, ready)));
for (const { number, seen } of all) {
  for (const [channel, items] of Object.entries(seen)) {
    console.log(JSON.stringify({ client: number, channel, items }));
  }
}
console.log("ok");
clearTimeout(late);
