// @ts-check
// A client that keeps its place: it connects again by itself, recovers what it missed, and hands
// every message over once, in order, or tells of the gap. docs/PROTOCOL.md is what it speaks.

import { after, Backoff } from "./advice.js";
import { Places } from "./places.js";
import { Subscription } from "./subscription.js";

/** Channels that one request may name. */
const CHUNK = 100;

/**
 * @typedef {import("./places.js").Position} Position
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
  /** Answers that are due. @type {Map<string, {done: (data: any) => void, fail: (e: Error) => void}>} */
  #pending = new Map();
  /** @type {Record<string, ReturnType<typeof setTimeout> | undefined>} */
  #timers = {};
  #sent = 0;
  #welcomed = false;
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
    if (this.#subscriptions.has(name)) throw new Error(`There is a subscription to ${name}`);
    const subscription = new Subscription(name, options, () => this.#leave(subscription));
    this.#subscriptions.set(name, subscription);
    if (options.since) this.#places.set(name, options.since);
    if (this.#welcomed) this.#subscribeAgain([subscription]);
    return subscription;
  }

  /** Whether there is a subscription of this name. @param {string} name */
  has(name) {
    return this.#subscriptions.has(name);
  }

  /** Has what a subscription missed, or began with, sent once more.
   * @param {string} name
   * @param {Pick<SubscribeOptions, "since" | "last" | "replay" | "state">} from */
  async again(name, from) {
    const { since, ...first } = from;
    if (since) this.#places.set(name, since);
    else if (first.last || first.replay || first.state) this.#places.forget(name);
    const one = this.#subscriptions.get(name);
    if (!one || !this.#welcomed) return;
    const told = await this.#insist({ channel: name, since, ...first }, this.#socket);
    if (told && one.isOpen) this.#confirmed(name, told, first);
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

  /** Sends a request of the protocol, and resolves with the `data` of its answer.
   * @param {string} event @param {object} data @returns {Promise<any>} */
  request(event, data) {
    return this.#welcomed ? this.#ask(event, data) : Promise.reject(failure("Not connected", "DISCONNECTED"));
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

  /** Where it stands in each channel: save it, and pass it to `connect` after a restart. */
  positions() {
    return this.#places.all();
  }

  /** Bytes that wait to be sent. */
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Ends everything. */
  close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#over("closed by the application");
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
    const socket = new (this.#options.WebSocket ?? WebSocket)(this.url);
    this.#socket = socket;
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
    this.#wait(what === "now" ? Math.random() * this.#backoff.base : this.#backoff.next(), why);
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

  /** @param {string} why */
  #over(why) {
    const socket = this.#socket;
    this.#forgetConnection();
    socket?.close(1000);
    this.#become("closed", why);
    for (const one of this.#subscriptions.values()) one.end(failure(why, "CLOSED"));
    this.#subscriptions.clear();
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
      (this.#options.onError ?? console.error)(/** @type {Error} */ (error));
    }
  }

  // Messages.

  /** @param {object} message */
  #send(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  /** @param {string} event @param {object} data @returns {Promise<any>} */
  #ask(event, data) {
    return new Promise((done, fail) => {
      const id = String(++this.#sent);
      this.#pending.set(id, { done, fail });
      this.#send({ type: "request", id, event, data });
    });
  }

  /** @param {any} message */
  #receive(message) {
    this.#set("silent", this.#options.idle, () => this.#ping());
    const { type, event, room, data, correlation_id: id } = message;
    if (type === "event" && room) return this.#deliver(message);
    if (type === "event" && event === "session.created") return this.#greet(data);
    const pending = this.#pending.get(id);
    if (pending) {
      this.#pending.delete(id);
      if (type !== "error") return pending.done(data);
      const error = failure(message.error_message, message.error_code);
      return pending.fail(Object.assign(error, { retryAfter: data?.retry_after }));
    }
    // The server has ended a subscription.
    if (event === "unsubscribe") {
      for (const name of data.channels ?? [data.pattern ?? data.channel]) {
        this.#subscriptions.get(name)?.end(failure("Ended by the server", "UNSUBSCRIBED"));
        this.#drop(name);
      }
    }
  }

  /** @param {any} welcome */
  #greet(welcome) {
    this.#welcomed = true;
    this.#backoff.advise(welcome.reconnect);
    this.#set("good", 5000, () => this.#backoff.reset());
    this.#become("open");
    this.#subscribeAgain([...this.#subscriptions.values()]);
  }

  /** @param {Message} message */
  #deliver(message) {
    const { room, event, seq, data, prev } = message;
    const heard = [...this.#subscriptions.values()].filter((one) => one.covers(room));
    if (!heard.length) return;
    /** @param {"onMessage" | "onGap" | "onState"} to @param {any} what */
    const hand = (to, what) => what && heard.forEach((one) => this.#call(() => one.hand(to, what)));
    if (event === "gap") return hand("onGap", this.#places.skip(room, data));
    if (event === "state") {
      this.#places.set(room, data.as_of);
      return heard.forEach((one) => this.#call(() => one.hand("onState", data, room)));
    }
    if (seq === undefined) return hand("onMessage", message);
    const { isNew, gap } = this.#places.arrive(room, seq, prev);
    hand("onGap", gap);
    if (isNew) hand("onMessage", message);
  }

  // Subscriptions.

  /** Subscribes, all that have a place in as few requests as may be.
   * @param {Subscription[]} all */
  async #subscribeAgain(all) {
    const socket = this.#socket;
    const isPlain = (/** @type {Subscription} */ one) =>
      !one.isPattern && !one.options.presence && this.#places.get(one.name);
    const names = all.filter(isPlain).map((one) => one.name);
    // Channels that came by a pattern are recovered by name.
    const patterns = all.filter((one) => one.isPattern);
    const known = Object.keys(this.#places.all()).filter((c) => !this.#subscriptions.has(c));
    names.push(...known.filter((channel) => patterns.some((one) => one.covers(channel))));
    for (const one of all) if (!isPlain(one)) this.#subscribeOne(one, socket);
    for (let i = 0; i < names.length && socket === this.#socket; i += CHUNK) {
      const channels = names.slice(i, i + CHUNK);
      const since = Object.fromEntries(channels.map((c) => [c, this.#places.get(c)]));
      const told = await this.#insist({ channels, since }, socket);
      if (!told) return;
      for (const channel of told.channels) this.#confirmed(channel, told.positions[channel]);
      for (const [channel, code] of Object.entries(told.failed)) this.#refused(channel, code);
    }
  }

  /** @param {Subscription} one @param {WebSocket | undefined} socket */
  async #subscribeOne(one, socket) {
    const { last, replay, state, presence } = one.options;
    const since = this.#places.get(one.name);
    const first = since ? { since } : { last, replay, state };
    const name = one.isPattern ? { pattern: one.name } : { channel: one.name };
    try {
      const told = await this.#insist({ ...name, ...first, presence }, socket);
      if (!told) return;
      if (!one.isPattern) this.#confirmed(one.name, told);
      else if (told.epoch) this.#places.enter(told.epoch);
      one.confirmed(told);
    } catch (error) {
      if (socket !== this.#socket) return;
      this.#call(() => one.end(/** @type {Error} */ (error)));
      this.#drop(one.name);
    }
  }

  /** Asks to subscribe until there is an answer, at the server's pace. Undefined when the
   * connection ended first. @param {object} data @param {WebSocket | undefined} socket */
  async #insist(data, socket) {
    for (;;) {
      try {
        return await this.#ask("subscribe", data);
      } catch (error) {
        const { code, retryAfter = 1 } = /** @type {ClientError} */ (error);
        if (socket !== this.#socket) return undefined;
        if (code !== "RATE_LIMIT_EXCEEDED" && code !== "BUSY") throw error;
        await new Promise((done) => setTimeout(done, retryAfter * 1000));
        if (socket !== this.#socket) return undefined;
      }
    }
  }

  /** @param {string} channel @param {import("./places.js").Confirmation} told
   * @param {Pick<SubscribeOptions, "last" | "replay">} [asked] */
  #confirmed(channel, told, asked) {
    const one = this.#subscriptions.get(channel);
    const gap = this.#places.confirm(channel, told, asked ?? one?.options);
    if (!one) return;
    one.confirmed(told);
    this.#call(() => one.options.onConfirmed?.(told));
    if (gap) this.#call(() => one.hand("onGap", gap));
    // What a state document said is not enough any more.
    if (gap && one.options.state) this.#ask("subscribe", { channel, state: true }).catch(() => {});
  }

  /** @param {string} channel @param {string} code */
  #refused(channel, code) {
    const one = this.#subscriptions.get(channel);
    if (one) this.#call(() => one.end(failure(`Subscribing to ${channel} was refused`, code)));
    this.#drop(channel);
  }

  /** @param {Subscription} one */
  async #leave(one) {
    this.#drop(one.name);
    if (!this.#welcomed) return;
    const name = one.isPattern ? { pattern: one.name } : { channel: one.name };
    await this.#ask("unsubscribe", name).catch(() => {});
  }

  /** Forgets a subscription, and the places that none needs any more. @param {string} name */
  #drop(name) {
    const gone = this.#subscriptions.get(name);
    this.#subscriptions.delete(name);
    const rest = [...this.#subscriptions.values()];
    const isIdle = (/** @type {string} */ channel) => !rest.some((one) => one.covers(channel));
    for (const channel of Object.keys(this.#places.all())) {
      if (gone?.covers(channel) && isIdle(channel)) this.#places.forget(channel);
    }
  }
}
