// Tabs of one origin in headless Chromium that share one connection of clients/javascript.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { launch } from "./browser.mjs";
import { control, publishAll, url } from "./harness.mjs";

const source = new URL("../../../clients/javascript/src/", import.meta.url);
const files = createServer(({ url: path }, response) => {
  const isModule = path.endsWith(".js");
  response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
  const page = "<!doctype html><title>tab</title>";
  response.end(isModule ? readFileSync(new URL(`.${path}`, source)) : page);
}).listen(0, "127.0.0.1");
await once(files, "listening");

const browser = await launch();
try {
  const context = await browser.newContext();
  const publish = (n) => publishAll([{ channel: "shared", event: "e", data: { n } }]);
  const open = async () => {
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on("console", (message) => console.log(`page: ${message.text()}`));
    page.on("pageerror", (error) => console.log(`page: ${error}`));
    await page.goto(`http://127.0.0.1:${files.address().port}/`);
    await page.evaluate(async (url) => {
      const { connectShared } = await import("/tabs.js");
      window.seen = [];
      window.client = connectShared(url);
      const onGap = ({ reason }) => seen.push(reason);
      await client.subscribe("shared", { onMessage: ({ data }) => seen.push(data.n), onGap }).ready;
    }, url);
    return page;
  };
  const sees = async (page, expected) => {
    await page.waitForFunction((count) => seen.length >= count, expected.length);
    assert.deepEqual(await page.evaluate(() => seen), expected);
  };

  const first = await open();
  await publish(1);
  await sees(first, [1]);
  const second = await open();
  await publish(2);
  await sees(first, [1, 2]);
  await sees(second, [2]);
  const { connections } = await (await fetch(`${control}/v1/connections`)).json();
  assert.equal(connections.length, 1);
  const told = await second.evaluate(() => client.publish("shared", "e", { n: 3 }));
  assert.equal(told.seq, 3);
  await sees(first, [1, 2, 3]);
  // The one that connects goes: the other goes on where it was.
  await first.close();
  await publish(4);
  await sees(second, [2, 3, 4]);
  const third = await open();
  await third.evaluate(() => client.close());
  await publish(5);
  await sees(second, [2, 3, 4, 5]);
  assert.deepEqual(await third.evaluate(() => seen), []);
} finally {
  await browser.close();
  files.close();
}
console.log("ok");
