// npm's `undici`: the EventSource built into Node.
import { load, url } from "./harness.mjs";
import { follow, judge, path } from "./event_stream.mjs";

const { EventSource } = load("undici");
const source = new EventSource(url.replace(/^ws/, "http") + path());
const seen = follow(source);
await judge(async () => seen);
source.close();
console.log("ok");
process.exit(0);
