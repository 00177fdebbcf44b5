// A server of raw topics, as the race's servers are: `S channel …` subscribes and is answered with
// `ready`; a publisher on /many sends the channel, a line feed and the message, a subscriber the
// same after `P `. Its argument is the port.
import { createRequire } from "node:module";

const load = createRequire(process.env.TEST_TOOLS + "/");
const { WebSocketServer } = load("ws");
const topics = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
server.on("connection", (socket, request) => {
  socket.on("message", (message) => {
    const chat = message[0] === "P".charCodeAt(0);
    if (request.url === "/many" || chat) {
      const end = message.indexOf("\n");
      const data = message.subarray(end + 1).toString();
      const topic = message.subarray(chat ? 2 : 0, end).toString();
      for (const one of topics.get(topic) ?? []) one.send(data);
      return;
    }
    for (const topic of message.subarray(2).toString().split(" ")) {
      if (!topics.has(topic)) topics.set(topic, new Set());
      topics.get(topic).add(socket);
    }
    socket.send("ready");
  });
});
