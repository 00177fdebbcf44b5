// @ts-check
// Server-Sent Events in the place of a WebSocket, for proxies that break those: the server's messages
// come over a stream, which is opened anew whenever its channels change. docs/PROTOCOL.md, section 8.

/** Milliseconds for which a stream without a sign of the server counts as alive. */
const ALIVE = 25_000;
/** Close codes for refusals of the request. @type {Record<number, number>} */
const CODES = { 401: 4001, 403: 4002, 404: 4007, 503: 1013 };
/** Error codes for refusals of its channels. @type {Record<number, string>} */
const ERRORS = { 403: "FORBIDDEN", 507: "LIMIT_EXCEEDED" };

/**
 * @typedef {import("./places.js").Position} Position
 * How channels without a place begin: a parameter of the request.
 * @typedef {["last" | "replay", string] | undefined} Beginning
 * @typedef {{id: string, isList: boolean, channels: string[], since: any, from: Beginning,
 *   isSent: boolean, told: Record<string, any>}} Asked
 */

/** What the client uses of a WebSocket. */
export class StreamSocket {
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {((event: {code: number, reason: string}) => void) | null} */
  onclose = null;
  onerror = () => {};
  bufferedAmount = 0;
  #url;
  #token = "";
  /** Where each channel of the stream stands; undefined: it begins live.
   * @type {Map<string, Position | undefined>} */
  #channels = new Map();
  /** Subscriptions that are not confirmed. @type {Asked[]} */
  #asked = [];
  #controller = new AbortController();
  #heard = 0;
  #isOver = false;
  #isDue = false;
  /** A request with several of them was refused: whose fault it was shows one by one. */
  #isOneByOne = false;

  /** @param {string | URL} url of the WebSocket */
  constructor(url) {
    this.#url = new URL(url);
    this.#url.protocol = this.#url.protocol.replace(/^ws/, "http");
    this.#url.pathname = `${this.#url.pathname.replace(/\/+$/, "")}/v1/sse`;
    queueMicrotask(() => {
      this.onopen?.();
      this.#tell({ type: "event", event: "session.created", data: {} });
    });
  }

  /** @param {string} text */
  send(text) {
    const { type, id, event, data = {} } = JSON.parse(text);
    if (type === "ping") {
      const isAlive = !this.#channels.size || Date.now() - this.#heard < ALIVE;
      if (isAlive) this.#tell({ type: "pong" });
    } else if (event === "auth") {
      this.#token = data.token;
      this.#answer(id, event, { status: "authenticated" });
    } else if (event === "subscribe" && !data.pattern) this.#subscribe(id, data);
    else if (event === "unsubscribe") {
      for (const name of data.channels ?? [data.channel]) this.#channels.delete(name);
      this.#answer(id, event, { status: "unsubscribed", ...data });
      this.#renew();
    } else this.#refuse(id, "UNSUPPORTED", `${event} needs a WebSocket`);
  }

  /** @param {number} [code] */
  close(code = 1000) {
    this.#over(code, "");
  }

  /** @param {string} id @param {any} data */
  #subscribe(id, { channel, channels, since, last, replay, state, presence }) {
    if (state || presence) {
      return this.#refuse(id, "UNSUPPORTED", "state and presence need a WebSocket");
    }
    /** @type {Beginning} */
    const from = replay ? ["replay", replay] : last && ["last", String(last)];
    const asked = { id, from, isSent: false, told: {}, isList: Boolean(channels) };
    const places = channels ? { ...since } : { [channel]: since };
    this.#asked.push({ ...asked, channels: channels ?? [channel], since: places });
    this.#renew();
  }

  /** Takes up those of one beginning, which a request has one of. Returns that. */
  #take() {
    const [first] = this.#asked;
    this.#isOneByOne &&= this.#asked.length > 1;
    const isTaken = (/** @type {Asked} */ one) =>
      this.#isOneByOne ? one === first : String(one.from) === String(first.from);
    for (const one of this.#asked.filter((one) => !one.isSent && isTaken(one))) {
      one.isSent = true;
      for (const name of one.channels) {
        one.since[name] ??= this.#channels.get(name);
        this.#channels.set(name, one.since[name]);
      }
    }
    return first?.from;
  }

  /** Opens the stream anew, once for all that is asked in one go. */
  #renew() {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#controller.abort();
      const from = this.#take();
      if (!this.#channels.size || this.#isOver) return;
      this.#controller = new AbortController();
      const { signal } = this.#controller;
      this.#read(signal, from).catch(({ message }) => signal.aborted || this.#over(1006, message));
    });
  }

  /** @param {AbortSignal} signal @param {Beginning} from */
  async #read(signal, from) {
    const url = new URL(this.#url);
    // What each event's channel has is enough: the others' places are kept here.
    url.searchParams.set("ids", "own");
    for (const name of this.#channels.keys()) url.searchParams.append("channel", name);
    if (from) url.searchParams.set(...from);
    const places = [...this.#channels].flatMap(([name, at]) =>
      at ? `${at.epoch}:${encodeURIComponent(name)}=${at.seq}` : [],
    );
    if (places.length) url.searchParams.set("last_event_id", places.join(";"));
    const headers = new Headers({ accept: "text/event-stream" });
    if (this.#token) headers.set("authorization", `Bearer ${this.#token}`);
    const answer = await fetch(url, { signal, headers, cache: "no-store" });
    if (!answer.ok || !answer.body) return this.#refused(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value = "" } = await reader.read();
      if (signal.aborted) return;
      if (done) return this.#over(1006, "the stream ended");
      this.#heard = Date.now();
      const events = (text + value).split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) if (!signal.aborted) this.#event(event);
    }
  }

  /** @param {string} text */
  #event(text) {
    const of = (/** @type {string} */ name) =>
      text.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const data = of("data");
    this.#moved(of("id"));
    if (!data) return this.#settle();
    const message = JSON.parse(data);
    if (of("event") === "close") return this.#over(message.code, message.reason);
    if (message.event === "session.created") return;
    if (message.type !== "response") return this.#tell(message);
    for (const one of this.#asked) {
      const { channel } = message.data;
      if (one.isSent && one.channels.includes(channel)) one.told[channel] = message.data;
    }
  }

  /** Behind the confirmations comes an id, which says where each channel begins. */
  #settle() {
    const isDue = (/** @type {Asked} */ { channels, told }) => channels.some((name) => !told[name]);
    const settled = this.#asked.filter((one) => !isDue(one));
    this.#asked = this.#asked.filter(isDue);
    for (const { id, isList, channels, told } of settled) {
      const list = { status: "subscribed", channels, failed: {}, positions: told };
      this.#answer(id, "subscribe", isList ? list : told[channels[0]]);
    }
    if (this.#asked.length && settled.length) this.#renew();
  }

  /** The client has what an id says. @param {string} [id] */
  #moved(id) {
    for (const part of id?.split(";") ?? []) {
      const [epoch, places] = part.split(/:(.*)/s);
      for (const place of places?.split(",") ?? []) {
        const [name, seq] = place.split("=");
        const channel = decodeURIComponent(name);
        if (this.#channels.has(channel)) this.#channels.set(channel, { epoch, seq: Number(seq) });
      }
    }
  }

  /** @param {Response} answer */
  async #refused(answer) {
    const { error } = await answer.json().catch(() => ({}));
    const text = error?.message ?? `answered ${answer.status}`;
    const asked = this.#asked.filter((one) => one.isSent);
    if (!asked.length || answer.status === 401 || answer.status === 503) {
      return this.#over(CODES[answer.status] ?? 1006, text);
    }
    for (const one of asked) {
      one.isSent = false;
      for (const name of one.channels) this.#channels.delete(name);
    }
    this.#isOneByOne = asked.length > 1;
    if (!this.#isOneByOne) {
      // The client asks for channels of a list one by one.
      this.#asked = this.#asked.filter((one) => one !== asked[0]);
      this.#refuse(asked[0].id, ERRORS[answer.status] ?? "INVALID_REQUEST", text);
    }
    this.#renew();
  }

  /** @param {object} message */
  #tell(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** @param {string} id @param {string} event @param {object} data */
  #answer(id, event, data) {
    this.#tell({ type: "response", event, correlation_id: id, data });
  }

  /** @param {string} id @param {string} code @param {string} text */
  #refuse(id, code, text) {
    const error = { error_code: code, error_message: text };
    this.#tell({ type: "error", correlation_id: id, ...error, data: {} });
  }

  /** @param {number} code @param {string} reason */
  #over(code, reason) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.abort();
    queueMicrotask(() => this.onclose?.({ code, reason }));
  }
}
