// A small load for the live page: subscribers that read, one that does not, publications that come
// and go. Ends with `stop`, or with the process.
import { once } from "node:events";
import { ca, load, publishAll, url } from "./harness.mjs";

const { WebSocket } = load("ws");
/** Channel and how much of the load it gets. */
const CHANNELS = [
  ["workflow:nightly", 40], ["pool:build", 22], ["adapters", 14], ["workflow:release-4.2", 9],
  ["worker:eu-7", 6], ["quality:core", 4], ["ui:board", 3], ["insights", 2],
];
const TOTAL = CHANNELS.reduce((sum, [, weight]) => sum + weight, 0);
const EVERY_MS = 50;

async function subscriber(channels) {
  const socket = new WebSocket(url, { ca });
  // One read may bring several messages: whoever waits for each in turn misses one.
  const answered = new Promise((resolve) => {
    socket.on("message", (text) => JSON.parse(text).type === "response" && resolve());
  });
  await once(socket, "open");
  const data = { channels };
  socket.send(JSON.stringify({ id: "1", type: "request", event: "subscribe", data }));
  await answered;
  socket.removeAllListeners("message");
  return socket;
}

/**
 * Opens the clients, and publishes until told to stop. Where a client that does not read is closed
 * for that, `moreIdle` brings others.
 */
export async function startLoad({ clients, moreIdle = false }) {
  const names = CHANNELS.map(([name]) => name);
  const sockets = [];
  for (let i = 0; i < clients; i++) {
    sockets.push(await subscriber(i % 4 ? names : names.slice(0, 2)));
  }
  const addIdle = async () => {
    const idle = await subscriber(["workflow:nightly"]);
    idle._socket.pause();
    sockets.push(idle);
  };
  for (const socket of sockets.splice(0, 3)) socket.close(1000);

  await addIdle();

  let [on, tick] = [true, 0];
  const pick = (at) => CHANNELS.find(([, weight]) => (at -= weight) < 0)[0];
  const beat = async () => {
    while (on) {
      tick += 1;
      if (moreIdle && tick % 160 === 0) await addIdle();
      // Waves of about half a minute.
      const many = 3 + Math.round(2.5 * Math.sin(tick / 95) + Math.random());
      const message = () => ({
        channel: pick(Math.random() * TOTAL),
        event: "load.message",
        data: { text: "x".repeat(100 + Math.floor(Math.random() * 20_000)) },
      });
      await publishAll(Array.from({ length: Math.max(1, many) }, message));
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  };
  const beating = beat();
  return {
    async stop() {
      on = false;
      await beating;
      for (const socket of sockets) socket.terminate();
    },
  };
}
