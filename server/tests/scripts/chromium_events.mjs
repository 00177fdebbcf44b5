// A page of another origin in headless Chromium, with its own EventSource.
import { once } from "node:events";
import { createServer } from "node:http";
import { launch } from "./browser.mjs";
import { ca, url } from "./harness.mjs";
import { follow, judge, path } from "./event_stream.mjs";

const page_server = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>events</title>");
}).listen(0, "127.0.0.1");
await once(page_server, "listening");

const browser = await launch();
try {
  const page = await browser.newPage();
  page.on("console", (message) => console.log(`page: ${message.text()}`));
  // Where the server has TLS, it asks a page of the server itself: no mixed content either way.
  if (ca) await page.goto(url.replace(/^wss/, "https") + "health");
  await page.goto(`http://127.0.0.1:${page_server.address().port}/`);
  await page.evaluate(
    ([text, address]) => {
      const follow = new Function(`return ${text}`)();
      window.seen = follow(new EventSource(address, { withCredentials: true }));
    },
    [follow.toString(), url.replace(/^ws/, "http") + path()],
  );
  await judge(() => page.evaluate(() => window.seen));
} finally {
  await browser.close();
  page_server.close();
}
console.log("ok");
