// The JavaScript client over Server-Sent Events: messages once and in order through ends of its
// streams, channels that come and go, refusals. In this runtime, or in the browser that BROWSER
// names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { launch } from "./browser.mjs";
import { control, publishAll, url } from "./harness.mjs";

const CHANNELS = ["a", "b 1", "c", "d"];
const ROUNDS = 6;
const source = new URL("../../../clients/javascript/src/", import.meta.url);

/** Runs where the client does: subscribes, and keeps what it was told. */
async function begin(connect, url, channels) {
  const seen = {};
  const client = connect(url, { transport: "sse", base: 20, max: 200 });
  const add = (name) => {
    seen[name] = [];
    const onMessage = ({ data, seq }) => seen[name].push([seq, data.n]);
    const onGap = ({ reason }) => seen[name].push(reason);
    return client.subscribe(name, { onMessage, onGap });
  };
  const all = channels.slice(0, 2).map(add);
  await Promise.all(all.map((one) => one.ready));
  const refusal = (promise) => promise.then(String, ({ code }) => code);
  return { client, seen, add, refusal };
}

async function node() {
  const { connect } = await import(new URL("uringcast.js", source));
  const world = await begin(connect, url, CHANNELS);
  return {
    add: (name) => world.add(name).ready,
    drop: (name) => world.client.drop(name),
    refusal: (name) => world.refusal(world.add(name).ready),
    publishes: () => world.refusal(world.client.publish("a", "e", {})),
    seen: async () => world.seen,
    end: async () => world.client.close(),
  };
}

async function browser() {
  const files = createServer(({ url: path }, response) => {
    const isModule = path.endsWith(".js");
    response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
    const page = "<!doctype html><title>page</title>";
    response.end(isModule ? readFileSync(new URL(`.${path}`, source)) : page);
  }).listen(0, "127.0.0.1");
  await once(files, "listening");
  const opened = await launch();
  const page = await opened.newPage();
  page.on("pageerror", (error) => console.log(`page: ${error}`));
  await page.goto(`http://127.0.0.1:${files.address().port}/`);
  await page.evaluate(
    async ([begin, url, channels]) => {
      const { connect } = await import("/uringcast.js");
      window.world = await new Function(`return ${begin}`)()(connect, url, channels);
    },
    [String(begin), url, CHANNELS],
  );
  return {
    add: (name) => page.evaluate((name) => world.add(name).ready, name),
    drop: (name) => page.evaluate((name) => world.client.drop(name), name),
    refusal: (name) => page.evaluate((name) => world.refusal(world.add(name).ready), name),
    publishes: () => page.evaluate(() => world.refusal(world.client.publish("a", "e", {}))),
    seen: () => page.evaluate(() => world.seen),
    end: async () => {
      await opened.close();
      files.close();
    },
  };
}

let published = 0;
/** Publishes to all channels, while every stream is cut. */
async function round() {
  for (let n = 0; n < 20; n++) {
    published++;
    await publishAll(CHANNELS.map((channel) => ({ channel, event: "e", data: { n: published } })));
    if (n !== 10) continue;
    const body = JSON.stringify({ channel: "a", spread: 0 });
    const headers = { "content-type": "application/json" };
    const cut = await fetch(`${control}/v1/drain`, { method: "POST", headers, body });
    assert(cut.ok, await cut.text());
  }
}

/** Waits for everything that was published to these since they were subscribed to. */
async function sees(world, since) {
  const missing = (seen) =>
    Object.entries(since).filter(([name, from]) => seen[name].length < published - from);
  const deadline = Date.now() + 30_000;
  while (missing(await world.seen()).length && Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 20));
  }
  const seen = await world.seen();
  for (const [name, from] of Object.entries(since)) {
    const all = Array.from({ length: published - from }, (_, n) => [from + n + 1, from + n + 1]);
    assert.deepEqual(seen[name], all, name);
  }
}

const world = await (process.env.BROWSER ? browser() : node());
try {
  const since = { a: 0, "b 1": 0 };
  for (let n = 0; n < ROUNDS; n++) {
    if (n === 2) {
      await world.add("c");
      since.c = published;
    }
    await round();
    await sees(world, since);
  }
  // A channel that is left brings nothing more; the others go on.
  await world.drop("b 1");
  const before = (await world.seen())["b 1"].length;
  delete since["b 1"];
  await round();
  await sees(world, since);
  assert.equal((await world.seen())["b 1"].length, before);
  assert.equal(await world.publishes(), "UNSUPPORTED");
  // What is asked for beside it is not refused with it.
  const [said] = await Promise.all([world.refusal("secret"), world.add("d")]);
  assert.equal(said, "FORBIDDEN");
  since.d = published;
  assert.equal(await world.refusal("a*"), "UNSUPPORTED");
  await round();
  await sees(world, since);
} finally {
  await world.end();
}
console.log("ok");
