// A report page of loadgen, in REPORTS, in headless Chromium: it loads nothing, runs nothing, and
// axe-core finds nothing serious in either scheme. With SCREENSHOTS it takes the pictures of docs/.
import assert from "node:assert/strict";
import { launch, violations } from "./browser.mjs";

const page_url = `file://${process.env.REPORTS}/now.html`;
const pictures = process.env.SCREENSHOTS;
const faults = [];
const browser = await launch();

try {
  const inks = new Set();
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, width] of [["wide", 1120], ["phone", 390]]) {
      const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
      page.on("console", (message) => faults.push(message.text()));
      page.on("pageerror", (error) => faults.push(`${error}`));
      page.on("request", (request) => {
        if (request.url() !== page_url) faults.push(`it loads ${request.url()}`);
      });
      await page.goto(page_url);
      assert.equal(await page.locator("svg").count(), 3);
      assert.equal(await page.textContent(".verdict"), "Passed");
      assert.match(await page.textContent("main"), /the spread|too few seconds/);
      // Nothing is wider than the page; charts and tables scroll by themselves.
      const overflow = "document.documentElement.scrollWidth - innerWidth";
      assert.equal(await page.evaluate(overflow), 0, `${colorScheme} ${name}`);
      // The charts have the scheme's colours, and none of those that stand for them.
      const ink = "getComputedStyle(document.querySelector('svg text')).fill";
      inks.add(await page.evaluate(ink));
      const left = `[...document.querySelectorAll("svg *")].map((e) => getComputedStyle(e))
        .flatMap((style) => [style.fill, style.stroke])
        .filter((color) => /^rgb\\([012], [012], (1|2|17|34|51)\\)$/.test(color)).length`;
      assert.equal(await page.evaluate(left), 0, "colours that the style sheet does not replace");
      assert.deepEqual(await violations(page), [], `${colorScheme} ${name}`);
      const path = `${pictures}/loadgen-report-${colorScheme}.png`;
      if (pictures && name === "wide") {
        await page.screenshot({ path, clip: { x: 0, y: 0, width, height: 1400 }, fullPage: true });
      }
      await page.close();
    }
  }
  assert.equal(inks.size, 2, "light and dark differ");
} finally {
  await browser.close();
}
assert.deepEqual(faults, []);
console.log("ok");
