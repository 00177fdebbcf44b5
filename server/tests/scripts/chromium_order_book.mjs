// The example of an order book in headless Chromium: pages that open early and late show one book.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { launch } from "./browser.mjs";
import { control, url } from "./harness.mjs";

const client = new URL("../../../clients/javascript/", import.meta.url);
const files = createServer(({ url: path }, response) => {
  const [file] = path.split("?");
  if (file === "/favicon.ico") return response.writeHead(404).end();
  response.setHeader("content-type", file.endsWith(".js") ? "text/javascript" : "text/html");
  response.end(readFileSync(new URL(`.${file}`, client)));
}).listen(0, "127.0.0.1");
await once(files, "listening");

/** The other end: more changes than the log keeps. */
async function change(changes) {
  const program = fileURLToPath(new URL("examples/order-book.mjs", client));
  const flags = ["--control", control, "--every", "7", "--pause", "2"];
  flags.push("--changes", String(changes));
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...flags]);
  const rows = Object.entries(JSON.parse(stdout)).filter(([, size]) => size > 0);
  return rows.sort(([a], [b]) => b - a).map(([price, size]) => `${price} ${size}`);
}

const browser = await launch();
const context = await browser.newContext();
const faults = [];

async function open() {
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => faults.push(`${error}`));
  const query = new URLSearchParams({ url, book: "book:ACME" });
  await page.goto(`http://127.0.0.1:${files.address().port}/examples/order-book.html?${query}`);
  await page.waitForSelector("#told:has-text('open')");
  return page;
}

const rows = (page) =>
  page.$$eval("tbody tr", (all) =>
    all.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ")),
  );

async function shows(page, expected) {
  await page.waitForFunction(
    (text) => {
      const row = ({ cells }) => [...cells].map((cell) => cell.textContent).join(" ");
      return [...document.querySelectorAll("tbody tr")].map(row).join("|") === text;
    },
    expected.join("|"),
  );
  assert.deepEqual(await rows(page), expected);
}

try {
  const early = await open();
  const book = await change(200);
  const late = await open();
  await shows(early, book);
  await shows(late, book);
  const later = await change(30);
  await shows(early, later);
  await shows(late, later);
  assert.deepEqual(faults, []);
} finally {
  await browser.close();
  files.close();
}
console.log("ok");
