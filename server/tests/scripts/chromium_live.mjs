// The live page in headless Chromium. LIVE_MODE says how it must get its numbers: `live`, `poll`,
// or not at all, `off`; LIVE_FEED that the service is session-buddy's; LIVE_CLUSTER that the server
// is a node of a cluster; LIVE_KEY is the API key, if there is one; with SCREENSHOTS, a directory,
// it only takes the pictures of docs/, after a while of load, or that of a node.
import assert from "node:assert/strict";
import { launch, violations } from "./browser.mjs";
import { control, publish } from "./harness.mjs";
import { startLoad } from "./load.mjs";

const mode = process.env.LIVE_MODE ?? "live";
const pictures = process.env.SCREENSHOTS;
const key = process.env.LIVE_KEY;
const PICTURE_SECONDS = 30;
const TIMEOUT_MS = 120_000;

const faults = [];
const browser = await launch({ trust: mode === "live" });

async function open(options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on("console", (message) => {
    // Messages of the browser itself: a certificate that it does not trust, a 401, and the 404 of a
    // connection that is gone.
    const untrusted = mode === "poll" && message.text().includes("ERR_CERT_AUTHORITY_INVALID");
    const locked = key && message.text().includes("401");
    const gone = message.text().includes("404") && message.location().url.includes("/connections/");
    if (!untrusted && !locked && !gone) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`${error}`));
  page.on("request", (request) => {
    const { origin, pathname } = new URL(request.url());
    const own = origin === control && /^\/($|client\/|debug\/live$|v1\/)/.test(pathname);
    if (!own && !request.url().startsWith("data:")) faults.push(`it loads ${request.url()}`);
  });
  const answer = await page.goto(`${control}/`);
  assert.match(answer.headers()["content-security-policy"], /^default-src 'none'/);
  if (key) {
    await page.fill("#key", "not the key at all");
    await page.click("#ask button");
    await page.waitForSelector("#refused:not(:empty)");
    await page.fill("#key", key);
    await page.click("#ask button");
  }
  await page.waitForSelector(`#status[data-state=${mode}]`);
  return page;
}

/** Waits until the text of `selector` has changed `times` times. */
async function moves(page, selector, times) {
  let last = await page.textContent(selector);
  for (let i = 0; i < times; i++) {
    const next = await page.waitForFunction(
      ([selector, last]) => {
        const text = document.querySelector(selector).textContent;
        return text !== last && text;
      },
      [selector, last],
    );
    last = await next.jsonValue();
  }
}

/** Numbers around which digits or units change. */
async function formats(page) {
  for (const [call, expected] of [
    ["time(999)", "999 µs"], ["time(9_949)", "9.9 ms"], ["time(99_499)", "99 ms"],
    ["time(99_500)", "100 ms"], ["time(99_990)", "100 ms"], ["time(100_000)", "100 ms"],
    ["time(999_499)", "999 ms"], ["time(999_600)", "1.0 s"], ["time(60_000_000)", "60 s"],
    ["time(120_000_000)", "120 s"],
    ["count(9_999)", "9,999"], ["count(10_000)", "10.0 k"], ["count(999_499)", "999 k"],
    ["count(999_500)", "1.00 M"], ["count(999_600_000)", "1.00 G"], ["count(5e12)", "5,000 G"],
    ["size(1_023)", "1,023 B"], ["size(1_024)", "1.00 KiB"], ["size(999 * 1024)", "999 KiB"],
    ["size(1_000 * 1024)", "0.977 MiB"], ["size(1_023 * 1024)", "0.999 MiB"],
    ["size(1_010 * 2 ** 20)", "0.986 GiB"], ["size(2_000 * 2 ** 30)", "2,000 GiB"],
  ]) {
    assert.equal(await page.evaluate(`join(${call})`), expected, call);
  }
}

/** session-buddy's clients choose no channel and say nothing: updates are shown as they come. */
async function listenIn(page) {
  const skill = { skill_name: "there-and-back", total_invocations: 3 };
  publish("metrics", "metrics.updated", { top_skills: [skill], anomalies: [] });
  await page.waitForSelector("#feed:not([hidden])");
  for (const id of ["channel", "send", "round"]) assert(!(await page.isVisible(`#${id}`)), id);
  assert.equal(await page.textContent("#subscribe"), "Listen");
  await page.click("#subscribe");
  await page.waitForSelector("#log li:has-text('Connected to Session-Buddy')");
  await page.waitForSelector("#log li:has-text('Update: {\"top_skills\":[{')");
  assert.equal(await page.locator("#log li:has-text('undefined')").count(), 0);
  assert.deepEqual(await violations(page), []);
  await page.click("#subscribe");
  await page.waitForSelector("#log li:has-text('Closed with 1000')");
}

async function tryIt(page) {
  await page.fill("#channel", "trial:1");
  await page.click("#subscribe");
  await page.waitForSelector("#log li:has-text('Subscribed to trial:1')");
  await page.fill("#text", "there and back");
  await page.click("#publish");
  const line = page.locator("#log li:has-text('there and back')");
  await line.waitFor();
  assert.match(await line.locator("b").textContent(), /^\d+\.\d ms$/);
  if (!key) {
    publish("trial:1", "other.message", { text: "from elsewhere" });
    const other = page.locator("#log li:has-text('other.message from elsewhere')");
    await other.waitFor();
    assert.equal(await other.locator("b").count(), 0, "only what this page sent is timed");
  }
  await page.click("#subscribe");
  await page.waitForSelector("#log li:has-text('Closed: closed by the application.')");
}

/**
 * Searches until the page shows `selector`, as what is looked for comes and goes. The next search
 * begins when the last one is answered: a slow page would never show an answer otherwise.
 */
async function search(page, by, sought, selector) {
  await page.selectOption("#by", by);
  await page.fill("#sought", sought);
  const end = Date.now() + TIMEOUT_MS;
  for (;;) {
    await page.click("#search button");
    await page.waitForSelector("#found tbody tr, #told:not(:empty), #amiss:not(:empty)");
    if (await page.locator(selector).count()) return;
    const shown = await page.locator("#found tbody, #told, #amiss").allTextContents();
    assert(Date.now() < end, `no ${selector} for ${by} ${sought}: ${shown.join(" ")}`);
    await page.waitForTimeout(200);
  }
}

/** Looks for the load's client that does not read. */
async function findLaggard(page) {
  await page.check("#behind");
  await search(page, "channel", "workflow:nightly", "#found tr:has-text('waiting')");
  await page.uncheck("#behind");
}

/** Looks for a client, and sends it away. */
async function findAndSendAway(page) {
  await search(page, "user", "nobody", "#told:has-text('Nobody was found.')");
  await search(page, "channel", "pool:build", "#found tr:has-text('keeps up')");
  const id = await page.locator("#found tbody tr:has-text('keeps up') .id").first().textContent();
  // Channels come in the order of the shard's table, which is not that of the subscriptions.
  await search(page, "id", id, "#told:has-text('workflow:nightly'):has-text('pool:build')");
  assert.deepEqual(await violations(page), []);
  const button = page.locator("#found button");
  await button.click();
  assert.equal(await button.textContent(), "Really?");
  await button.click();
  await page.waitForSelector("#found button:has-text('Sent away')");
  await search(page, "id", id, "#told:has-text('Nobody was found.')");
}

/** The streams of a node, while one of its channels has a subscriber and messages. */
async function showsStreams(page) {
  const [name, position, channels] = [1, 2, 3].map((n) => `#streams td:nth-child(${n})`);
  await page.waitForSelector(`${name}:has-text('uringcast_0')`);
  const before = Number(await page.textContent(position));
  await page.fill("#channel", "trial:1");
  await page.click("#subscribe");
  await page.waitForSelector("#log li:has-text('Subscribed to trial:1')");
  await page.waitForSelector(`${channels}:has-text('1')`);
  publish("trial:1", "other.message", { text: "from elsewhere" });
  await page.waitForSelector("#log li:has-text('other.message from elsewhere')");
  await page.waitForFunction(
    ([selector, before]) => Number(document.querySelector(selector).textContent) > before,
    [position, before],
  );
  const state = await page.textContent("#cluster-state");
  assert.match(state, /^connected to NATS · takes publications · 0 holes · /);
  assert.deepEqual(await violations(page), []);
  if (pictures) await page.screenshot({ path: `${pictures}/live-cluster.png`, fullPage: true });
}

async function check() {
  const page = await open();
  if (process.env.LIVE_CLUSTER) return showsStreams(page);
  if (process.env.LIVE_FEED) return listenIn(page);
  if (mode === "off") return tryIt(page);
  if (mode === "live" && !key) {
    await formats(page);
    const load = await startLoad({ clients: 12 });
    // The one that does not read is a client too.
    await page.waitForFunction(() => document.querySelector("#connections").textContent === "10");
    await page.waitForSelector("#hottest td.name:has-text('workflow:nightly')");
    await page.waitForSelector("#slowest tbody tr");
    await findLaggard(page);
    await page.waitForSelector("#closes tbody tr:has-text('peer normal')");
    for (const moving of ["#deliveries", "#p99", "#rate-chart b"]) await moves(page, moving, 2);
    assert.notEqual(await page.textContent("#p50"), "–");
    assert.deepEqual(await violations(page), []);
    await findAndSendAway(page);
    await load.stop();
  } else {
    await moves(page, "#engine", 2);
    assert.deepEqual(await violations(page), []);
  }
  if (mode === "live") await tryIt(page);
}

async function takePictures() {
  const load = await startLoad({ clients: 240, moreIdle: true });
  const looks = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, width, deviceScaleFactor] of [["wide", 1280, 1], ["phone", 390, 1]]) {
      const page = await open({ colorScheme, deviceScaleFactor, viewport: { width, height: 900 } });
      looks.push([`${pictures}/live-${colorScheme}-${name}.png`, page]);
    }
  }
  await looks[0][1].waitForTimeout(PICTURE_SECONDS * 1000);
  for (const [path, page] of looks) {
    await page.bringToFront();
    await findLaggard(page);
    await tryIt(page);
    await page.screenshot({ path, fullPage: true });
    assert.deepEqual(await violations(page), [], path);
  }
  await load.stop();
}

try {
  await (pictures && !process.env.LIVE_CLUSTER ? takePictures() : check());
} finally {
  await browser.close();
}
assert.deepEqual(faults, []);
console.log("ok");
