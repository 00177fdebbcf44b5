// @ts-check
// One connection for all tabs of an origin. The tab that holds a Web Lock connects; the others hear
// what it hears through a BroadcastChannel. When it closes, the next one goes on from the places
// where the tabs stand. Each tab keeps places of its own, so that what another tab asked for again
// is not handed over twice.

import { Places } from "./places.js";
import { Subscription } from "./subscription.js";
import { Client } from "./uringcast.js";

/** Milliseconds in which tabs tell a new leader what they want. */
const CENSUS = 200;

/**
 * @typedef {import("./uringcast.js").Options} Options
 * @typedef {import("./uringcast.js").SubscribeOptions} SubscribeOptions
 * @typedef {{name: string, since?: import("./places.js").Position, last?: number,
 *   replay?: "latest", state?: boolean, presence?: boolean}} Want
 */

/** As `connect`, but shared with the origin's other tabs that name the same URL.
 * @param {string} url @param {Options} [options] */
export function connectShared(url, options) {
  return new SharedClient(url, options);
}

export class SharedClient {
  /** @type {import("./uringcast.js").Status} */
  status = "connecting";
  #tab = crypto.randomUUID();
  #subscriptions = /** @type {Map<string, Subscription>} */ (new Map());
  #pending = /** @type {Map<number, {done: (data: any) => void, fail: (e: Error) => void}>} */ (new Map());
  #asked = 0;
  #closing = new AbortController();
  /** @type {Leader | undefined} */
  #leader;
  /** @type {() => void} */
  #resign = () => {};

  /** @param {string} url @param {Options} [options] */
  constructor(url, options = {}) {
    this.options = options;
    this.places = new Places(options.positions);
    const name = `uringcast:${url}`;
    this.air = new BroadcastChannel(name);
    this.air.onmessage = ({ data }) => this.#hear(data);
    const { signal } = this.#closing;
    const held = new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
    // Held as long as the tab lives: so the leader learns of its end.
    navigator.locks.request(`${name}:${this.#tab}`, () => held);
    const lead = () => {
      this.#leader = new Leader(url, name, options, this.air, (told) => this.#hear(told));
      return Promise.race([held, new Promise((resolve) => (this.#resign = () => resolve(undefined)))]);
    };
    navigator.locks.request(name, { signal }, lead).catch(() => {});
    this.#say({ kind: "hello", tab: this.#tab });
  }

  /** @param {string} name @param {SubscribeOptions} [options] */
  subscribe(name, options = {}) {
    if (this.#subscriptions.has(name)) throw new Error(`There is a subscription to ${name}`);
    const one = new Subscription(name, options, async () => {
      this.#subscriptions.delete(name);
      if (!one.isPattern) this.places.forget(name);
      this.#say({ kind: "unwant", tab: this.#tab, name });
    });
    this.#subscriptions.set(name, one);
    if (options.since) this.places.set(name, options.since);
    this.#say({ kind: "want", tab: this.#tab, wants: [this.#want(one)] });
    return one;
  }

  /** @param {string} channel @param {string} event @param {object} data @param {{key?: string}} [more] */
  publish(channel, event, data, more = {}) {
    return this.request("publish", { channel, event, data, ...more });
  }

  /** @param {string} event @param {object} data @returns {Promise<any>} */
  request(event, data) {
    return new Promise((done, fail) => {
      const number = ++this.#asked;
      this.#pending.set(number, { done, fail });
      this.#say({ kind: "ask", tab: this.#tab, number, event, data });
    });
  }

  positions() {
    return this.places.all();
  }

  /** Ends this tab's part. The others go on. */
  close() {
    this.#say({ kind: "bye", tab: this.#tab });
    this.#leader?.close();
    this.#closing.abort();
    this.#resign();
    this.air.close();
    for (const one of this.#subscriptions.values()) one.end(new Error("closed by the application"));
    this.#subscriptions.clear();
  }

  /** @param {Subscription} one @returns {Want} */
  #want({ name, options: { last, replay, state, presence } }) {
    const since = this.places.get(name);
    return since ? { name, since, presence } : { name, last, replay, state, presence };
  }

  /** To the leader, which may be this tab. @param {any} what */
  #say(what) {
    this.air.postMessage(what);
    this.#leader?.hear(what);
  }

  /** What the leader tells all tabs. @param {any} told */
  #hear(told) {
    switch (told.kind) {
      case "census":
        // A new leader: nobody answers what the last one was asked.
        for (const { fail } of this.#pending.values()) {
          fail(Object.assign(new Error("The connection ended"), { code: "DISCONNECTED" }));
        }
        this.#pending.clear();
        return this.#say({
          kind: "want",
          tab: this.#tab,
          wants: [...this.#subscriptions.values()].map((one) => this.#want(one)),
        });
      case "status":
        this.status = told.status;
        return this.options.onStatus?.(told.status, told.why);
      case "answer": {
        if (told.tab !== this.#tab) return;
        const pending = this.#pending.get(told.number);
        this.#pending.delete(told.number);
        const { error, data } = told;
        if (error) pending?.fail(Object.assign(new Error(error.message), error));
        else pending?.done(data);
        return;
      }
      case "confirmed":
        if (!told.name.endsWith("*")) this.#confirmed(told.name, told.told);
        return this.#subscriptions.get(told.name)?.confirmed(told.told);
      case "ended":
        this.#subscriptions.get(told.name)?.end(Object.assign(new Error(told.why), { code: told.code }));
        return this.#subscriptions.delete(told.name);
      case "message":
        return this.#message(told.message);
      case "gap":
        return this.#gap(told.gap);
      case "state":
        return this.#state(told.channel, told.state);
      default:
        // Another tab speaks to the leader.
        return this.#leader?.hear(told);
    }
  }

  /** @param {string} channel */
  #heard(channel) {
    return [...this.#subscriptions.values()].filter((one) => one.covers(channel));
  }

  /** @param {string} channel @param {import("./places.js").Confirmation} told */
  #confirmed(channel, told) {
    const one = this.#subscriptions.get(channel);
    if (one && !this.places.get(channel)) this.places.confirm(channel, told, one.options);
  }

  /** @param {import("./subscription.js").Message} message */
  #message(message) {
    const heard = this.#heard(message.room);
    if (!heard.length) return;
    if (message.seq === undefined) return heard.forEach((one) => one.hand("onMessage", message));
    const { isNew, gap } = this.places.arrive(message.room, message.seq, message.prev);
    if (gap) heard.forEach((one) => one.hand("onGap", gap));
    if (isNew) heard.forEach((one) => one.hand("onMessage", message));
  }

  /** @param {import("./places.js").Gap} gap */
  #gap(gap) {
    const { channel, from, to, missed, reason } = gap;
    const isKnown = to !== undefined && from !== undefined;
    const told = { from_seq: from ?? 0, to_seq: to ?? 0, missed: missed ?? 0, reason };
    if (isKnown && !this.places.skip(channel, told)) return;
    this.#heard(channel).forEach((one) => one.hand("onGap", gap));
  }

  /** @param {string} channel @param {any} state */
  #state(channel, state) {
    const wanting = this.#heard(channel).filter((one) => one.options.state);
    const here = this.places.get(channel);
    const isOld = here && here.epoch === state.as_of.epoch && here.seq >= state.as_of.seq;
    if (!wanting.length || isOld) return;
    this.places.set(channel, state.as_of);
    wanting.forEach((one) => one.hand("onState", state));
  }
}

/** The tab's part that holds the connection. */
class Leader {
  /** Who wants what: by name, the tabs. @type {Map<string, Set<string>>} */
  #wanted = new Map();
  /** Wants of the census, until it is over. @type {Map<string, Want> | undefined} */
  #census = new Map();
  /** @type {Set<string>} */
  #tabs = new Set();

  /** @param {string} url @param {string} lock @param {Options} options @param {BroadcastChannel} air
   * @param {(told: any) => void} own the leader's own tab */
  constructor(url, lock, options, air, own) {
    this.lock = lock;
    this.tell = (/** @type {any} */ told) => {
      air.postMessage(told);
      own(told);
    };
    const onStatus = (/** @type {string} */ status, /** @type {string | undefined} */ why) =>
      this.tell({ kind: "status", status, why });
    queueMicrotask(() => this.tell({ kind: "census" }));
    setTimeout(() => {
      this.client = new Client(url, { ...options, positions: undefined, onStatus });
      const wants = this.#census ?? new Map();
      this.#census = undefined;
      for (const want of wants.values()) this.#subscribe(want);
    }, CENSUS);
  }

  close() {
    this.client?.close();
  }

  /** What a tab asks for. @param {any} said */
  async hear(said) {
    const { kind, tab, name } = said;
    if (kind === "want") {
      this.#watch(tab);
      for (const want of said.wants) this.#want(tab, want);
    } else if (kind === "unwant") this.#unwant(tab, name);
    else if (kind === "bye") this.#gone(tab);
    else if (kind === "hello" && this.client) this.tell({ kind: "status", status: this.client.status });
    else if (kind === "ask") {
      const { number, event, data } = said;
      const answer = { kind: "answer", tab, number };
      const asked = this.client?.request(event, data) ?? Promise.reject(new Error("Not connected"));
      await asked.then(
        (told) => this.tell({ ...answer, data: told }),
        ({ message, code = "DISCONNECTED", retryAfter }) =>
          this.tell({ ...answer, error: { message, code, retryAfter } }),
      );
    }
  }

  /** @param {string} tab @param {Want} want */
  #want(tab, want) {
    const { name, since } = want;
    const tabs = this.#wanted.get(name) ?? new Set();
    this.#wanted.set(name, tabs.add(tab));
    if (!this.#census) return this.#subscribe(want);
    // The tab that stands farthest back decides where all go on.
    const other = this.#census.get(name);
    const isBehind = since && (!other?.since || since.seq < other.since.seq);
    if (!other || isBehind) this.#census.set(name, { ...other, ...want });
  }

  /** @param {Want} want */
  #subscribe({ name, ...from }) {
    const { client } = this;
    if (!client) return;
    if (client.has(name)) {
      // It is heard already: what this tab lacks is sent once more.
      return client.again(name, from);
    }
    const one = client.subscribe(name, {
      ...from,
      onMessage: (message) => this.tell({ kind: "message", message }),
      onGap: (gap) => this.tell({ kind: "gap", gap }),
      onState: (state, channel) => this.tell({ kind: "state", channel, state }),
      onError: (error) => this.tell({ kind: "ended", name, why: error.message, code: error.code }),
      onConfirmed: (told) => this.tell({ kind: "confirmed", name, told }),
    });
    one.ready.catch(() => {});
  }

  /** @param {string} tab @param {string} name */
  #unwant(tab, name) {
    const tabs = this.#wanted.get(name);
    if (!tabs?.delete(tab) || tabs.size) return;
    this.#wanted.delete(name);
    this.client?.drop(name);
  }

  /** Learns of a tab's end by its lock. @param {string} tab */
  #watch(tab) {
    if (this.#tabs.has(tab)) return;
    this.#tabs.add(tab);
    navigator.locks.request(`${this.lock}:${tab}`, () => this.#gone(tab)).catch(() => {});
  }

  /** @param {string} tab */
  #gone(tab) {
    this.#tabs.delete(tab);
    for (const name of [...this.#wanted.keys()]) this.#unwant(tab, name);
  }
}
