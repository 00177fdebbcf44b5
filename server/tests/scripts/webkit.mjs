// WebKitGTK's MiniBrowser over WebDriver, with what the tests use of a browser and of one page.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const { WEBKIT_DRIVER, MINI_BROWSER, XVFB } = process.env;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A screen that nobody sees. Returns its process and its number. */
async function screen() {
  const stdio = ["ignore", "pipe", "ignore"];
  const xvfb = spawn(XVFB, ["-displayfd", "1", "-nolisten", "tcp"], { stdio });
  const [number] = await once(xvfb.stdout, "data");
  return { xvfb, display: `:${String(number).trim()}` };
}

/** A page: functions run in it as they are, and are asked about until they are over. */
class Page {
  #call;
  #asked = 0;
  #exposed = new Map();

  constructor(call) {
    this.#call = call;
  }

  on() {}

  goto = (url) => this.#call("POST", "/url", { url });

  #run = (script, ...args) => this.#call("POST", "/execute/sync", { script, args });

  async exposeFunction(name, code) {
    this.#exposed.set(name, code);
  }

  async evaluate(code, argument) {
    const number = ++this.#asked;
    const script = `
      window.asked ??= {};
      window.calls ??= [];
      for (const name of arguments[2]) window[name] ??= (...args) => void calls.push([name, args]);
      const over = (told) => (asked[arguments[0]] = told);
      Promise.resolve((${code})(arguments[1])).then(
        (value) => over({ value }),
        (error) => over({ error: String(error) }),
      );`;
    await this.#run(script, number, argument, [...this.#exposed.keys()]);
    for (;;) {
      const poll = "return [calls.splice(0), asked[arguments[0]]]";
      const [calls, told] = await this.#run(poll, number);
      for (const [name, args] of calls) this.#exposed.get(name)(...args);
      if (told?.error) throw new Error(told.error);
      if (told) return told.value;
      await pause(50);
    }
  }
}

export async function launchWebKit() {
  const { xvfb, display } = await screen();
  const port = await freePort();
  const env = { ...process.env, DISPLAY: display, LIBGL_ALWAYS_SOFTWARE: "1" };
  const driver = spawn(WEBKIT_DRIVER, [`--port=${port}`], { env, stdio: "ignore" });
  const call = async (method, path, body = {}) => {
    const said = { method, body: method === "POST" ? JSON.stringify(body) : undefined };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, said);
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(value)}`);
    return value;
  };
  const options = { binary: MINI_BROWSER, args: ["--automation"] };
  const alwaysMatch = { browserName: "MiniBrowser", "webkitgtk:browserOptions": options };
  const open = () => call("POST", "/session", { capabilities: { alwaysMatch } });
  const session = async (tries) => {
    try {
      return await open();
    } catch (error) {
      // The driver does not listen yet.
      if (!tries) throw error;
      await pause(100);
      return session(tries - 1);
    }
  };
  const { sessionId } = await session(100);
  return {
    newPage: async () =>
      new Page((method, path, body) => call(method, `/session/${sessionId}${path}`, body)),
    close: async () => {
      await call("DELETE", `/session/${sessionId}`).catch(() => {});
      driver.kill();
      xvfb.kill();
    },
  };
}
