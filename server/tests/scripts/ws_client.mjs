// npm's `ws`.
import { ca, converse, load, url } from "./harness.mjs";

const WebSocket = load("ws");
await converse(() => new WebSocket(url, { ca }));
console.log("ok");
