// Many clients of clients/javascript in one process of Node, Bun or Deno.
import { channels, count, pattern, say, tell, token } from "./own_crowd.mjs";
import { createRequire } from "node:module";
import { takePart } from "./own_part.js";
import { connect } from "../../../clients/javascript/src/uringcast.js";

const { SERVER_URL, SOCKET, TEST_TOOLS } = process.env;
const load = createRequire(`${TEST_TOOLS}/`);
const sockets = { ws: () => load("ws"), undici: () => load("undici").WebSocket };
const WebSocket = sockets[SOCKET]?.();

const options = { WebSocket, getToken: token };
const one = (_, number) =>
  takePart({ connect, url: SERVER_URL, options, channels, pattern, number, say });
tell(await Promise.all(Array.from({ length: count }, one)));
