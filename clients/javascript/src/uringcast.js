// @ts-check
// A client that keeps its place: it connects again by itself, recovers what it missed, and hands
// every message over once, in order, or tells of the gap. docs/PROTOCOL.md is what it speaks.

import { after, Backoff } from "./advice.js";
import { Places } from "./places.js";
import { handled, lateness, Subscription } from "./subscription.js";

export { Subscription };

/** Channels that one request may name. */
const CHUNK = 100;

/**
 * @typedef {import("./places.js").Position} Position
 * @typedef {import("./places.js").Gap} Gap
 * @typedef {import("./subscription.js").Message} Message
 * @typedef {import("./subscription.js").SubscribeOptions} SubscribeOptions
 * @typedef {"connecting" | "open" | "waiting" | "closed"} Status
 * @typedef {Error & {code?: string, retryAfter?: number}} ClientError
 *
 * @typedef {object} Options
 * @property {string} [token] a token that does not end
 * @property {() => string | Promise<string>} [getToken] a fresh token, asked for before each
 *   connection and before the last one ends
 * @property {Record<string, Position>} [positions] of {@link Client.positions}, saved earlier
 * @property {(status: Status, why?: string) => void} [onStatus]
 * @property {(error: Error) => void} [onError] a handler of the application threw
 * @property {number} [idle] milliseconds of silence after which the connection is checked (25 000)
 * @property {number} [patience] milliseconds for the answer to that, and to an upgrade (10 000)
 * @property {number} [base] first wait between attempts, unless the server advises (500)
 * @property {number} [max] longest wait between attempts (30 000)
 * @property {"ws" | "sse"} [transport] `sse`: Server-Sent Events, which only listen (`ws`)
 * @property {typeof WebSocket} [WebSocket] another implementation
 */

/** @param {string} text @param {string} [code] @returns {ClientError} */
const failure = (text, code) => Object.assign(new Error(text), { code });

/** Connects, and stays connected until it is closed.
 * @param {string} url `ws:` or `wss:`
 * @param {Options} [options]
 */
export function connect(url, options) {
  return new Client(url, options);
}

export class Client {
  /** @type {Status} */
  status = "closed";
  /** @type {WebSocket | undefined} */
  #socket;
  #options;
  #places;
  #backoff;
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  /** Those that the next request names. @type {Subscription[]} */
  #fresh = [];
  /** Answers that are due. @type {Map<string, {then: (data: any) => void, done: (data: any) => void,
   *   fail: (e: Error) => void}>} */
  #pending = new Map();
  /** Who waits for a connection. @type {(() => void)[]} */
  #waiting = [];
  /** @type {Record<string, ReturnType<typeof setTimeout> | undefined>} */
  #timers = {};
  #sent = 0;
  #welcomed = false;
  /** The server asked this client to come back at once. */
  #moves = false;
  #wake = () => this.#check();

  /** @param {string} url @param {Options} [options] */
  constructor(url, options = {}) {
    this.url = url;
    this.#options = { idle: 25000, patience: 10000, base: 500, max: 30000, ...options };
    this.#places = new Places(options.positions);
    this.#backoff = new Backoff(this.#options.base, this.#options.max);
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    this.#open();
  }

  // What an application asks for.

  /** Subscribes to a channel, or to all whose names begin with a prefix: `orders:*`.
   * @param {string} name
   * @param {SubscribeOptions} [options]
   */
  subscribe(name, options = {}) {
    if (this.status === "closed") throw failure("The client is closed", "CLOSED");
    if (this.#subscriptions.has(name)) throw new Error(`There is a subscription to ${name}`);
    const fail = (/** @type {Error} */ error) => this.#failed(error);
    /** @type {Subscription} */
    const one = new Subscription(name, options, () => this.#leave(one), fail);
    this.#subscriptions.set(name, one);
    if (options.since) this.#places.set(name, options.since);
    if (this.#welcomed && this.#fresh.push(one) === 1) {
      // With all others that the application asks for in one go.
      queueMicrotask(() => {
        const fresh = this.#fresh.splice(0);
        if (this.#welcomed) this.#subscribeAll(fresh);
      });
    }
    return one;
  }

  /** Whether there is a subscription of this name. @param {string} name */
  has(name) {
    return this.#subscriptions.has(name);
  }

  /** Begins a subscription anew, at an earlier place, with the state or a replay. Returns whether it
   * did. @param {string} name @param {Pick<SubscribeOptions, "since" | "state" | "replay">} from */
  async again(name, { since, state, replay }) {
    const here = this.#places.get(name);
    const isBehind = since && since.epoch === here?.epoch && since.seq < here.seq;
    if (!this.#welcomed || name.endsWith("*") || !(isBehind || state || replay)) return false;
    if (isBehind) this.#places.set(name, since);
    else this.#places.forget(name);
    this.#ask("unsubscribe", { channel: name }).catch(() => {});
    await this.#list([name], { state, replay }, this.#socket);
    return true;
  }

  /** Ends the subscription of this name. @param {string} name */
  drop(name) {
    return this.#subscriptions.get(name)?.unsubscribe();
  }

  /** Publishes. Rejects with the code `DISCONNECTED` if the connection ends before the answer:
   * whether the message was accepted is not known then.
   * @param {string} channel @param {string} event @param {object} data @param {{key?: string}} [more]
   * @returns {Promise<{channel: string, seq: number, epoch: string}>}
   */
  publish(channel, event, data, more = {}) {
    return this.request("publish", { channel, event, data, ...more });
  }

  /** Sends a request of the protocol, as soon as there is a connection, and resolves with the `data`
   * of its answer. @param {string} event @param {object} data @returns {Promise<any>} */
  async request(event, data) {
    while (!this.#welcomed) {
      if (this.status === "closed") throw failure("The client is closed", "CLOSED");
      await new Promise((wake) => this.#waiting.push(() => wake(undefined)));
    }
    return this.#ask(event, data);
  }

  /** Older messages. @param {string} channel
   * @param {{since?: Position, limit?: number, reverse?: boolean}} [range] */
  history(channel, range = {}) {
    return this.request("history", { channel, ...range });
  }

  /** Who is there. @param {string} channel */
  presence(channel) {
    return this.request("presence", { channel });
  }

  /** What the application is through with in each channel: save it, and pass it to `connect` after a
   * restart. A message counts from the moment its handler is called, or, where that returns a
   * promise, from when this is over. */
  positions() {
    return handled(this.#places.all(), this.#subscriptions.values());
  }

  /** Where it stands in this one: the last message that has come. @param {string} channel */
  position(channel) {
    return this.#places.get(channel);
  }

  /** Bytes that wait to be sent. */
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Ends everything. */
  close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#over("closed by the application", true);
  }

  // The connection.

  async #open() {
    this.#become("connecting");
    let token = this.#options.token;
    try {
      token = (await this.#options.getToken?.()) ?? token;
    } catch (error) {
      return this.#wait(this.#backoff.next(), String(error));
    }
    if (this.status !== "connecting") return;
    let socket;
    try {
      const { transport, WebSocket: Other = globalThis.WebSocket } = this.#options;
      const isStream = transport === "sse";
      const Socket = isStream ? (await import("./stream.js")).StreamSocket : Other;
      if (this.status !== "connecting") return;
      socket = /** @type {WebSocket} */ (new Socket(this.url));
    } catch (error) {
      return this.#over(String(error));
    }
    this.#socket = socket;
    // What it tells is in the close event too; without a listener it would end some programs.
    socket.onerror = () => {};
    socket.onopen = () => token && this.#authenticate(token);
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#lost(code, reason);
    this.#set("silent", this.#options.patience, () => this.#cut("no answer to the upgrade"));
  }

  /** @param {string} token */
  async #authenticate(token) {
    const { expires_in: left } = await this.#ask("auth", { token }).catch(() => ({}));
    const { getToken } = this.#options;
    if (!left || !getToken) return;
    const renew = async () => {
      const socket = this.#socket;
      const next = await Promise.resolve(getToken()).catch(() => undefined);
      if (next && socket === this.#socket) this.#authenticate(next);
    };
    // In good time, but not at once for a token that is nearly over.
    this.#set("token", Math.max(1, Math.min(left * 0.8, 2 ** 31 / 1000 - 1)) * 1000, renew);
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    this.#forgetConnection();
    const what = after(code, Boolean(this.#options.getToken));
    const why = reason || `connection ended with ${code}`;
    if (what === "never") return this.#over(why);
    const soon = this.#moves ? 0 : Math.random() * this.#backoff.base;
    this.#wait(what === "now" || this.#moves ? soon : this.#backoff.next(), why);
    this.#moves = false;
  }

  /** The connection is dead, whatever the socket says. @param {string} why */
  #cut(why) {
    this.#socket?.close();
    this.#lost(1006, why);
  }

  #forgetConnection() {
    if (this.#socket) this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = undefined;
    this.#welcomed = false;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { fail } of lost) fail(failure("The connection ended", "DISCONNECTED"));
  }

  /** @param {number} ms @param {string} why */
  #wait(ms, why) {
    this.#become("waiting", why);
    this.#set("again", ms, () => this.#open());
  }

  /** @param {string} why @param {boolean} [isWanted] by the application */
  #over(why, isWanted) {
    const socket = this.#socket;
    this.#forgetConnection();
    socket?.close(1000);
    const ended = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    this.#become("closed", why);
    const error = failure(why, "CLOSED");
    for (const one of ended) isWanted ? one.close(error) : this.#call(() => one.end(error));
  }

  /** The machine may have slept, or changed its network. */
  #check() {
    if (globalThis.document?.visibilityState === "hidden") return;
    if (this.status === "waiting") {
      clearTimeout(this.#timers.again);
      this.#open();
    } else if (this.#welcomed) this.#ping();
  }

  #ping() {
    this.#send({ type: "ping" });
    this.#set("silent", this.#options.patience, () => this.#cut("no answer to a ping"));
  }

  /** @param {Status} status @param {string} [why] */
  #become(status, why) {
    this.status = status;
    this.#call(() => this.#options.onStatus?.(status, why));
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** @param {string} name @param {number} ms @param {() => void} then */
  #set(name, ms, then) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(then, ms);
  }

  /** The application's code does not stop ours. @param {() => void} code */
  #call(code) {
    try {
      code();
    } catch (error) {
      this.#failed(/** @type {Error} */ (error));
    }
  }

  /** @param {Error} error */
  #failed(error) {
    (this.#options.onError ?? console.error)(error);
  }

  // Messages.

  /** @param {object} message */
  #send(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  /** @param {string} event @param {object} data
   * @param {(told: any) => void} [then] before the next message is looked at, which may be in the same
   *   turn
   * @returns {Promise<any>} */
  #ask(event, data, then = () => {}) {
    return new Promise((done, fail) => {
      const id = String(++this.#sent);
      this.#pending.set(id, { then, done, fail });
      this.#send({ type: "request", id, event, data });
    });
  }

  /** @param {any} message */
  #receive(message) {
    this.#set("silent", this.#options.idle, () => this.#ping());
    const { type, event, room, data, correlation_id: id } = message;
    if (type === "event") {
      if (room) this.#deliver(message);
      else if (event === "session.created") this.#greet(data);
      else if (event === "session.reconnect") this.#moves = data.reason === "drain";
      return;
    }
    const pending = this.#pending.get(id);
    if (pending) {
      this.#pending.delete(id);
      if (type === "error") {
        const error = failure(message.error_message, message.error_code);
        return pending.fail(Object.assign(error, { retryAfter: data?.retry_after }));
      }
      pending.then(data);
      pending.done(data);
    } else if (type === "error" && data?.channel) {
      // There is no room for a channel that came by a pattern.
      const { channel } = data;
      this.#hand(channel, "onGap", { channel, reason: message.error_code });
    } else if (event === "unsubscribe") {
      // The server has ended a subscription.
      for (const name of data.channels ?? [data.pattern ?? data.channel]) {
        this.#refused(name, failure("Ended by the server", "UNSUBSCRIBED"));
      }
    }
  }

  /** @param {any} welcome */
  #greet(welcome) {
    this.#welcomed = true;
    this.#places.enter("");
    this.#backoff.advise(welcome.reconnect);
    this.#set("good", 5000, () => this.#backoff.reset());
    this.#become("open");
    this.#subscribeAll([...this.#subscriptions.values()]);
  }

  /** @param {Message} message */
  #deliver(message) {
    const { room, event, seq, data, prev } = message;
    const before = this.#places.get(room);
    // Without a place it is of a subscription that has ended, unless a pattern brings it.
    const by = this.#heard(room).filter((one) => before || one.isPattern);
    if (!by.length) return;
    if (event === "gap") this.#hand(room, "onGap", this.#places.skip(room, data), before);
    else if (seq === undefined) this.#hand(room, "onMessage", message);
    else {
      const { isNew, gap: missing } = this.#places.arrive(room, seq, prev);
      const gap = before ? missing : lateness(message, by);
      this.#hand(room, "onGap", gap, before, { ...this.#places.get(room), seq: seq - 1 });
      if (isNew) this.#hand(room, "onMessage", message, before);
    }
  }

  /** @param {string} channel */
  #heard(channel) {
    return [...this.#subscriptions.values()].filter((one) => one.covers(channel));
  }

  /** @param {string} channel @param {"onMessage" | "onGap" | "onState"} to @param {any} what
   * @param {Position} [before] @param {any} [at] */
  #hand(channel, to, what, before, at = this.#places.get(channel)) {
    if (!what) return;
    const from = before ?? (at && { ...at, seq: at.seq - 1 });
    for (const one of this.#heard(channel)) this.#call(() => one.hand(to, what, channel, from, at));
  }

  // Subscriptions.

  /** Subscribes, in as few requests as may be. What has a place goes on from it.
   * @param {Subscription[]} all */
  async #subscribeAll(all) {
    const socket = this.#socket;
    const patterns = all.filter((one) => one.isPattern);
    /** By what is asked for, names. @type {Map<string, string[]>} */
    const groups = new Map();
    const add = (/** @type {string} */ name, /** @type {SubscribeOptions} */ options) => {
      const { last, replay, state, presence } = options;
      const asked = JSON.stringify({ last, replay, state, presence });
      groups.set(asked, [...(groups.get(asked) ?? []), name]);
    };
    for (const one of all) if (!one.isPattern) add(one.name, one.options);
    // Channels that came by a pattern are recovered by name, before it brings what is new.
    for (const name of this.#places.channels()) {
      if (this.#subscriptions.has(name) || !patterns.some((one) => one.covers(name))) continue;
      if (this.#places.get(name)?.epoch) add(name, {});
      else {
        this.#places.forget(name);
        this.#hand(name, "onGap", { channel: name, reason: "unknown" });
      }
    }
    for (const [asked, names] of groups) {
      for (let i = 0; i < names.length; i += CHUNK) {
        await this.#list(names.slice(i, i + CHUNK), JSON.parse(asked), socket);
      }
    }
    for (const one of patterns) {
      const { presence } = one.options;
      const confirmed = (/** @type {any} */ told) => {
        if (told.epoch) this.#places.enter(told.epoch);
        one.confirmed(told);
        this.#call(() => one.options.onConfirmed?.(told));
      };
      const refused = (/** @type {Error} */ error) => this.#refused(one.name, error);
      await this.#insist({ pattern: one.name, presence }, socket, confirmed).catch(refused);
    }
  }

  /** @param {string[]} names @param {object} asked @param {WebSocket | undefined} socket */
  async #list(names, asked, socket) {
    const channels = names.filter((name) => this.#heard(name).length);
    if (!channels.length) return;
    const placed = channels.filter((name) => this.#places.get(name));
    const since = Object.fromEntries(placed.map((name) => [name, this.#places.get(name)]));
    const confirmed = (/** @type {any} */ told) => {
      for (const [name, code] of Object.entries(told.failed ?? {})) {
        this.#refused(name, failure(`Subscribing to ${name} was refused`, code));
      }
      for (const name of told.channels) {
        if (told.positions) this.#confirmed(name, told.positions[name]);
      }
    };
    const list = { channels, ...asked, ...(placed.length && { since }) };
    // A state goes with a single channel.
    const isList = !(/** @type {SubscribeOptions} */ (asked).state);
    const told = isList ? await this.#insist(list, socket, confirmed).catch(() => ({})) : {};
    if (!told || told.positions) return;
    // Refused as a whole, or by a server that tells no positions of lists: one by one.
    for (const channel of channels.filter((name) => !told.failed?.[name])) {
      const one = { channel, ...asked, since: since[channel] };
      const refused = (/** @type {Error} */ error) => this.#refused(channel, error);
      await this.#insist(one, socket, (told) => this.#confirmed(channel, told)).catch(refused);
    }
  }

  /** Asks to subscribe until there is an answer, at the server's pace. Undefined when the
   * connection ended first.
   * @param {object} data @param {WebSocket | undefined} socket @param {(told: any) => void} then */
  async #insist(data, socket, then) {
    while (this.#welcomed && socket === this.#socket) {
      try {
        return await this.#ask("subscribe", data, then);
      } catch (error) {
        const { code, retryAfter = 1 } = /** @type {ClientError} */ (error);
        if (code === "DISCONNECTED") return undefined;
        if (code !== "RATE_LIMIT_EXCEEDED" && code !== "BUSY") throw error;
        await new Promise((done) => setTimeout(done, retryAfter * 1000));
      }
    }
  }

  /** @param {string} channel @param {import("./places.js").Confirmation} told */
  #confirmed(channel, told) {
    const one = this.#subscriptions.get(channel);
    const before = this.#places.get(channel);
    const { state, as_of } = told;
    // What comes behind the state follows.
    if (as_of) this.#places.set(channel, as_of);
    const gap = this.#places.confirm(channel, told, one?.options);
    one?.confirmed(told);
    this.#call(() => one?.options.onConfirmed?.(told));
    this.#hand(channel, "onGap", gap, before);
    const at = as_of ?? this.#places.get(channel);
    if (state !== undefined) this.#hand(channel, "onState", { state, as_of: at }, before);
  }

  /** @param {string} name @param {Error} error */
  #refused(name, error) {
    const one = this.#subscriptions.get(name);
    this.#drop(name);
    if (one) this.#call(() => one.end(error));
  }

  /** @param {Subscription} one */
  async #leave(one) {
    const gone = this.#drop(one.name);
    if (!this.#welcomed) return;
    /** @type {object[]} */
    const all = one.isPattern ? [{ pattern: one.name }] : [{ channel: one.name }];
    // Those that were recovered by name.
    for (let i = 0; one.isPattern && i < gone.length; i += CHUNK) {
      all.push({ channels: gone.slice(i, i + CHUNK) });
    }
    await Promise.all(all.map((data) => this.#ask("unsubscribe", data).catch(() => {})));
  }

  /** Forgets a subscription, and the places that none needs any more, whose names it returns.
   * @param {string} name */
  #drop(name) {
    const gone = this.#subscriptions.get(name);
    this.#subscriptions.delete(name);
    const names = gone?.isPattern ? this.#places.channels() : [name];
    const idle = names.filter((channel) => gone?.covers(channel) && !this.#heard(channel).length);
    for (const channel of idle) this.#places.forget(channel);
    return idle;
  }
}
