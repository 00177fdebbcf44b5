// A page in headless Chromium: its own WebSocket, as a dashboard would use it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { launch } from "./browser.mjs";
import { ca, publish, url } from "./harness.mjs";

const EVENTS = 20;

const page_server = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>events</title><ul></ul>");
}).listen(0, "127.0.0.1");
await once(page_server, "listening");

const browser = await launch();
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (message) => console.log(`page: ${message.text()}`));
  if (ca) {
    // The same browser requests the same port by HTTPS, and reports the protocol it used.
    const answer = await page.goto(url.replace(/^wss/, "https") + "health");
    const { protocol } = await answer.securityDetails();
    assert.equal(protocol, process.env.TLS_MAX === "tls1.2" ? "TLS 1.2" : "TLS 1.3");
  }
  await page.goto(`http://127.0.0.1:${page_server.address().port}/`);
  await page.evaluate((url) => {
    const list = document.querySelector("ul");
    window.socket = new WebSocket(url);
    socket.onclose = ({ code, wasClean }) => (window.ended = { code, wasClean });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.event === "session.created") {
        window.welcome = message.data;
        const data = { channel: "ui:board" };
        socket.send(JSON.stringify({ id: "1", type: "request", event: "subscribe", data }));
      } else if (message.type === "response") {
        window.subscribed = message.data;
      } else {
        const item = document.createElement("li");
        item.textContent = message.data.text;
        list.append(item);
      }
    };
  }, url);
  await page.waitForFunction(() => window.subscribed || window.ended);
  const { welcome, subscribed, ended } = await page.evaluate(() => ({
    welcome: window.welcome,
    subscribed: window.subscribed,
    ended: window.ended,
  }));
  assert.equal(ended, undefined, `closed early: ${JSON.stringify(ended)}`);
  assert.equal(welcome.tls_mode, ca ? "WSS" : "WS");
  assert.equal(subscribed.status, "subscribed");

  const texts = Array.from({ length: EVENTS }, (_, n) => `event ${n} ✓`);
  for (const text of texts) publish("ui:board", "ui.updated", { text });
  await page.waitForFunction((n) => document.querySelectorAll("li").length >= n, EVENTS);
  assert.deepEqual(await page.locator("li").allTextContents(), texts);

  await page.evaluate(() => socket.close(1000, "done"));
  await page.waitForFunction(() => window.ended);
  assert.deepEqual(await page.evaluate(() => window.ended), { code: 1000, wasClean: true });
} finally {
  await browser.close();
  page_server.close();
}
console.log("ok");
