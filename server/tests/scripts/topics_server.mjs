// A server of raw topics, as the race's servers are: `S channel …` subscribes and is answered with
// `ready`; a publisher on /many sends the channel, a line feed and the message. Its argument is the
// port.
import { createRequire } from "node:module";

const load = createRequire(process.env.TEST_TOOLS + "/");
const { WebSocketServer } = load("ws");
const topics = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
server.on("connection", (socket, request) => {
  socket.on("message", (message) => {
    if (request.url === "/many") {
      const end = message.indexOf("\n");
      const data = message.subarray(end + 1).toString();
      for (const one of topics.get(message.subarray(0, end).toString()) ?? []) one.send(data);
      return;
    }
    for (const topic of message.subarray(2).toString().split(" ")) {
      if (!topics.has(topic)) topics.set(topic, new Set());
      topics.get(topic).add(socket);
    }
    socket.send("ready");
  });
});
