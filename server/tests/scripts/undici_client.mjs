// npm's `undici`: the WebSocket built into Node.
import { ca, converse, load, url } from "./harness.mjs";

const { Agent, WebSocket } = load("undici");
const dispatcher = new Agent({ connect: { ca } });
await converse(() => new WebSocket(url, { dispatcher }));
await dispatcher.close();
console.log("ok");
