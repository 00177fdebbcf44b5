// Many clients of clients/javascript in a browser, PER_PAGE (1) of them in each page.
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { launch } from "./browser.mjs";
import { channels, count, pattern, say, tell, token } from "./own_crowd.mjs";

const source = new URL("../../../clients/javascript/src/", import.meta.url);
const files = createServer(({ url: path }, response) => {
  const isModule = path.endsWith(".js");
  const from = path === "/own_part.js" ? import.meta.url : source;
  response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
  const page = "<!doctype html><title>page</title>";
  response.end(isModule ? readFileSync(new URL(`.${path}`, from)) : page);
}).listen(0, "127.0.0.1");
await once(files, "listening");

const browser = await launch();

async function open() {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(`page: ${error}`));
  await page.exposeFunction("say", say);
  if (token) await page.exposeFunction("token", token);
  await page.goto(`http://127.0.0.1:${files.address().port}/`);
  return page;
}

const pages = [];
const perPage = Number(process.env.PER_PAGE ?? 1);
while (pages.length * perPage < count) pages.push(await open());

const run = (_, number) =>
  pages[Math.floor(number / perPage)].evaluate(
    async ([url, channels, pattern, number]) => {
      const { connect } = await import("/uringcast.js");
      const { takePart } = await import("/own_part.js");
      const options = { getToken: window.token };
      return takePart({ connect, url, options, channels, pattern, number, say });
    },
    [process.env.SERVER_URL, channels, pattern, number],
  );

tell(await Promise.all(Array.from({ length: count }, run)));
await browser.close();
files.close();
