// The other end of order-book.html: changes the sizes of a book, and puts the whole book now and
// then as the channel's state, so that a page that opens late begins there.
//   node order-book.mjs [--book book:ACME] [--control http://127.0.0.1:8766] [--changes 1000]
//     [--every 50] [--pause 100]
// It ends after so many changes, puts the state after every fiftieth and the last, pauses so many
// milliseconds between, and prints the book at its end. API_KEY is the key of the control port, if
// it wants one.
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    book: { type: "string", default: "book:ACME" },
    control: { type: "string", default: "http://127.0.0.1:8766" },
    changes: { type: "string", default: "1000" },
    every: { type: "string", default: "50" },
    pause: { type: "string", default: "100" },
  },
});
const { book, control } = values;
const headers = { "content-type": "application/json" };
if (process.env.API_KEY) headers["x-api-key"] = process.env.API_KEY;

async function call(method, path, body) {
  const answer = await fetch(control + path, { method, headers, body: JSON.stringify(body) });
  if (answer.status === 404) return {};
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? {} : answer.json();
}

const path = `/v1/channels/${encodeURIComponent(book)}/state`;
// What an earlier run has left.
const levels = (await call("GET", path)).state?.levels ?? {};
const changes = Number(values.changes);
for (let change = 1; change <= changes; change++) {
  const price = (100 + Math.floor(Math.random() * 20) / 4).toFixed(2);
  const size = Math.floor(Math.random() * 10);
  const message = { channel: book, event: "book.level", data: { price, size } };
  const { results } = await call("POST", "/v1/publish", message);
  levels[price] = size;
  if (change % Number(values.every) === 0 || change === changes) {
    // True up to this message: what comes behind it changes it.
    const { epoch, seq } = results[0];
    await call("PUT", path, { state: { levels }, as_of: { epoch, seq } });
  }
  await new Promise((done) => setTimeout(done, Number(values.pause)));
}
console.log(JSON.stringify(levels));
