// Node's tls with client certificates: the good one gets in, all others are refused, and why.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import tls from "node:tls";

const { hostname, port } = new URL(process.env.SERVER_URL);
const ca = readFileSync(process.env.SERVER_CA);
const judged = {
  good: /^HTTP\/1\.1 200 OK/,
  missing: /certificate required/i,
  revoked: /certificate revoked/i,
  expired: /certificate expired/i,
  stranger: /decrypt error|unknown ca|bad certificate/i,
};

/** What the server answers, or why it does not. */
function talk(who) {
  const file = (end) => readFileSync(join(process.env.IDENTITIES, who + end));
  const identity = who === "missing" ? {} : { cert: file(".pem"), key: file(".key") };
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: hostname, port, ca, servername: "localhost", ...identity });
    socket.setTimeout(30_000, () => reject(new Error("no answer")));
    socket.on("secureConnect", () =>
      socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    socket.on("data", (bytes) => resolve(bytes.toString()));
    socket.on("error", (error) => resolve(error.message));
  });
}

for (const [who, answer] of Object.entries(judged)) assert.match(await talk(who), answer, who);
console.log("ok");
process.exit(0);
