// Bun's native publish (µWebSockets' core). `S channel …` subscribes; a publisher on /pub sends the
// message itself, one on /many the channel, a line feed and the message, a subscriber the same
// after `P `.
// A certificate and its key may follow the port: wss. DEFLATE is how it compresses: shared or
// dedicated.
const [cert, key] = process.argv.slice(3);
const compressor = process.env.DEFLATE ?? "off";
const compresses = compressor !== "off";
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  tls: cert && { cert: Bun.file(cert), key: Bun.file(key) },
  fetch(request, server) {
    const many = request.url.endsWith("/many");
    const publisher = many || request.url.endsWith("/pub");
    if (server.upgrade(request, { data: { publisher, many } })) return;
    return new Response("upgrade", { status: 426 });
  },
  websocket: {
    perMessageDeflate: compresses && { compress: compressor, decompress: "shared" },
    sendPings: false,
    idleTimeout: 0,
    maxPayloadLength: 16 << 20,
    backpressureLimit: 64 << 20,
    message(socket, message) {
      const { publisher, many } = socket.data;
      if (many) {
        const end = message.indexOf("\n");
        server.publish(message.slice(0, end), message.slice(end + 1), compresses);
      } else if (publisher) {
        server.publish("bench", message);
      } else if (message[0] === "P") {
        const end = message.indexOf("\n");
        server.publish(message.slice(2, end), message.slice(end + 1));
      } else {
        for (const channel of message.slice(2).split(" ")) socket.subscribe(channel);
        socket.send("ready");
      }
    },
  },
});
console.error(`bun ${Bun.version} listens on ${server.port}`);
