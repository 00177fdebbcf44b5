// One client of clients/javascript among many, in whichever runtime: what it was handed.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** What came of a message: its number, unless its text is not what was published. */
function checked({ n, text, crc }) {
  let sum = ~0;
  for (const byte of new TextEncoder().encode(text)) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 255];
  return (~sum >>> 0) === crc ? n : `${n} is corrupt: ${text}`;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Subscribes to all channels, every fourth client by a pattern, until each has brought the last
 * message. `say` is told "ready", and the number of each mark. */
export async function takePart({ connect, url, options, channels, pattern, number, say }) {
  const seen = Object.fromEntries(channels.map((channel) => [channel, []]));
  const left = new Set(channels);
  let over = () => {};
  const done = new Promise((resolve) => (over = resolve));
  const waits = { idle: 2000, patience: 4000, base: 100, max: 500 };
  const client = connect(url, { ...waits, ...options });
  const onMessage = async ({ room, data }) => {
    // Some handlers take their time.
    if (number % 2 && data.n % 50 === 0) await pause(5);
    seen[room].push(checked(data));
    if (data.mark === "mark") say("mark", data.n);
    if (data.mark === "last") left.delete(room);
    if (!left.size) over();
  };
  const onGap = ({ channel, reason, missed }) => seen[channel].push([reason, missed ?? null]);
  const plain = (message) => void onMessage(message);
  const handlers = { onGap, onMessage: number % 2 ? onMessage : plain };
  const names = number % 4 === 3 ? [pattern] : channels;
  await Promise.all(names.map((name) => client.subscribe(name, handlers).ready));
  say("ready");
  await done;
  client.close();
  return { number, seen };
}
