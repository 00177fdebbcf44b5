// What the programs with many clients of clients/javascript share: tokens, marks, the result.
import { createHmac } from "node:crypto";

const { COUNT, JWT_SECRET, LIFE = "4", LIMIT = "280" } = process.env;
export const count = Number(COUNT);
export const channels = process.env.CHANNELS.split(",");
export const pattern = process.env.PATTERN;

const late = setTimeout(() => {
  console.error(`not done after ${LIMIT} s`);
  process.exit(1);
}, LIMIT * 1000);

function makeToken() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  // So short that tokens end in the middle.
  const exp = Math.floor(Date.now() / 1000) + Number(LIFE);
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "u", exp })}`;
  return `${text}.${createHmac("sha256", JWT_SECRET).update(text).digest("base64url")}`;
}

/** Makes a token, where clients need one. */
export const token = JWT_SECRET ? makeToken : undefined;

let missing = count;
/** How often each mark was seen. */
const marks = new Map();

/** What a client says on its way. */
export function say(what, n) {
  if (what === "ready") {
    if (!--missing) console.log("ready");
    return;
  }
  marks.set(n, (marks.get(n) ?? 0) + 1);
  if (marks.get(n) === count * channels.length) console.log(`at ${n}`);
}

/** What all were handed. */
export function tell(all) {
  for (const { number, seen } of all) {
    for (const [channel, items] of Object.entries(seen)) {
      console.log(JSON.stringify({ client: number, channel, items }));
    }
  }
  console.log("ok");
  clearTimeout(late);
}
