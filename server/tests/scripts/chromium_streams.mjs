// stream_client.mjs in headless Chromium.
process.env.PAGE = "1";
await import("./stream_client.mjs");
