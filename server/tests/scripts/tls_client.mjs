// Node's tls: both versions, every cipher, ALPN, a session taken up again, an unknown authority
// refused.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import tls from "node:tls";

const { hostname, port } = new URL(process.env.SERVER_URL);
const ca = readFileSync(process.env.SERVER_CA);

/** Asks for the health; resolves to the version, whether the session was reused, the session. */
function talk(options) {
  return new Promise((resolve, reject) => {
    let answer = "", session;
    const socket = tls.connect({
      host: hostname, port, ca, servername: "localhost", ALPNProtocols: ["h2", "http/1.1"],
      ...options,
    }, () => socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    socket.setEncoding("utf8");
    socket.on("session", (ticket) => { session = ticket; });
    socket.on("data", (text) => { answer += text; });
    socket.on("error", reject);
    socket.setTimeout(30_000, () => reject(new Error("no answer")));
    const facts = [];
    socket.on("secureConnect", () =>
      facts.push(socket.getProtocol(), socket.isSessionReused(), socket.alpnProtocol,
        socket.getCipher().name));
    socket.on("end", () => {
      assert.match(answer, /^HTTP\/1\.1 200 OK/);
      resolve({ version: facts[0], reused: facts[1], alpn: facts[2], cipher: facts[3], session });
    });
  });
}

for (const version of ["TLSv1.3", "TLSv1.2"]) {
  const only = { minVersion: version, maxVersion: version };
  const first = await talk(only);
  assert.deepEqual([first.version, first.reused, first.alpn], [version, false, "http/1.1"]);
  assert.equal((await talk({ ...only, session: first.session })).reused, true);
}
const aeads = ["AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305"];
const ciphers = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"]
  .concat(["ECDSA", "RSA"].flatMap((key) => aeads.map((aead) => `ECDHE-${key}-${aead}`)));
for (const cipher of ciphers) {
  const version = cipher.startsWith("TLS_") ? "TLSv1.3" : "TLSv1.2";
  assert.equal((await talk({ ciphers: cipher, maxVersion: version })).cipher, cipher);
}
await assert.rejects(talk({ ca: undefined }));
console.log("ok");
