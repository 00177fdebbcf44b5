// A headless browser: Chromium, which trusts the server's certificate if `trust` is set, or what
// BROWSER names.
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { ca, load } from "./harness.mjs";
import { launchWebKit } from "./webkit.mjs";

const { chromium } = load("playwright-core");

/** Over WebDriver BiDi, however long a page's function takes. It lets a page wait with its next
 * WebSocket when one has failed; the client does so by itself. */
const firefox = () =>
  load("puppeteer-core").launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX,
    extraPrefsFirefox: { "network.websocket.delay-failed-reconnects": false },
    protocolTimeout: 0,
  });

export function launch({ trust = true } = {}) {
  if (process.env.BROWSER === "firefox") return firefox();
  if (process.env.BROWSER === "webkit") return launchWebKit();
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
  args.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
  if (process.env.TLS_MAX) args.push(`--ssl-version-max=${process.env.TLS_MAX}`);
  if (ca && trust) {
    // The page's user would install the certificate; here its key is a flag of the browser.
    const key = new X509Certificate(ca).publicKey.export({ type: "spki", format: "der" });
    const hash = createHash("sha256").update(key).digest("base64");
    args.push(`--ignore-certificate-errors-spki-list=${hash}`);
  }
  return chromium.launch({ executablePath: process.env.CHROMIUM, args });
}

/** Serious violations that axe-core finds. */
export async function violations(page) {
  // Evaluated by the debugger: the page's own policy would not let it in.
  await page.evaluate(readFileSync(load.resolve("axe-core/axe.min.js"), "utf8"));
  const { violations } = await page.evaluate("axe.run()");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}
