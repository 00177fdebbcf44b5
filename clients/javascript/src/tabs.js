// @ts-check
// One connection for all tabs of an origin. The tab that holds a Web Lock connects; the others hear
// what it hears through a BroadcastChannel. When it closes, the next one goes on from the places
// where the tabs stand. Each tab keeps places of its own, so that what another tab asked for again
// is not handed over twice.

import { Places } from "./places.js";
import { handled, lateness, Subscription } from "./subscription.js";
import { Client } from "./uringcast.js";

/** Milliseconds in which tabs tell a new leader what they want. */
const CENSUS = 200;

/**
 * @typedef {import("./uringcast.js").Options} Options
 * @typedef {import("./places.js").Position} Position
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
  #places;
  #subscriptions = /** @type {Map<string, Subscription>} */ (new Map());
  /** @type {Map<number, {said?: object, done: (data: any) => void, fail: (e: Error) => void}>} */
  #pending = new Map();
  /** Whether there is a tab that leads. */
  #isLed = false;
  #asked = 0;
  #closing = new AbortController();
  /** @type {Leader | undefined} */
  #leader;
  /** @type {() => void} */
  #resign = () => {};

  /** @param {string} url @param {Options} [options] */
  constructor(url, options = {}) {
    this.options = options;
    this.#places = new Places(options.positions);
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
      if (!one.isPattern) this.#places.forget(name);
      this.#say({ kind: "unwant", tab: this.#tab, name });
    }, this.options.onError ?? console.error);
    this.#subscriptions.set(name, one);
    if (options.since) this.#places.set(name, options.since);
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
      const ask = { kind: "ask", tab: this.#tab, number, event, data };
      this.#pending.set(number, { said: this.#isLed ? undefined : ask, done, fail });
      if (this.#isLed) this.#say(ask);
    });
  }

  /** @param {string} channel
   * @param {{since?: import("./places.js").Position, limit?: number, reverse?: boolean}} [range] */
  history(channel, range = {}) {
    return this.request("history", { channel, ...range });
  }

  /** @param {string} channel */
  presence(channel) {
    return this.request("presence", { channel });
  }

  /** As of `Client`, for this tab. */
  positions() {
    return handled(this.#places.all(), this.#subscriptions.values());
  }

  /** Ends this tab's part. The others go on. */
  close() {
    this.#say({ kind: "bye", tab: this.#tab });
    this.#leader?.close();
    this.#closing.abort();
    this.#resign();
    this.air.close();
    for (const one of this.#subscriptions.values()) one.close(new Error("closed by the application"));
    this.#subscriptions.clear();
  }

  /** @param {Subscription} one @returns {Want} */
  #want({ name, options: { last, replay, state, presence } }) {
    return { name, since: this.#places.get(name), last, replay, state, presence };
  }

  /** To the leader, which may be this tab. @param {any} what */
  #say(what) {
    this.air.postMessage(what);
    this.#leader?.hear(what);
  }

  /** What the leader tells all tabs. @param {any} told */
  #hear(told) {
    this.#isLed ||= told.kind === "census" || told.kind === "status";
    switch (told.kind) {
      case "census":
        // A new leader: nobody answers what the last one was asked.
        for (const [number, { said, fail }] of [...this.#pending]) {
          if (said) {
            this.#say(said);
            continue;
          }
          this.#pending.delete(number);
          fail(Object.assign(new Error("The connection ended"), { code: "DISCONNECTED" }));
        }
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
        if (told.tab && told.tab !== this.#tab) return;
        if (told.told.epoch && !told.name.endsWith("*")) this.#confirmed(told.name, told.told);
        return this.#subscriptions.get(told.name)?.confirmed(told.told);
      case "ended":
        this.#subscriptions.get(told.name)?.end(Object.assign(new Error(told.why), { code: told.code }));
        return this.#subscriptions.delete(told.name);
      case "message":
        return this.#message(told.message, told.at);
      case "gap":
        return this.#gap(told.gap, told.at);
      case "state":
        return this.#state(told.channel, told.state);
      default:
        // Another tab speaks to the leader.
        return this.#leader?.hear(told);
    }
  }

  /** @param {string} channel @param {"onMessage" | "onGap" | "onState"} to @param {any} what
   * @param {Position} [before] where the tab stood */
  #hand(channel, to, what, before) {
    const at = this.#places.get(channel);
    for (const one of this.#heard(channel)) {
      if (to === "onState" && !one.options.state) continue;
      try {
        one.hand(to, what, channel, before ?? (at && { ...at, seq: at.seq - 1 }), at);
      } catch (error) {
        (this.options.onError ?? console.error)(/** @type {Error} */ (error));
      }
    }
  }

  /** @param {string} channel */
  #heard(channel) {
    return [...this.#subscriptions.values()].filter((one) => one.covers(channel));
  }

  /** @param {string} channel @param {import("./places.js").Confirmation} told */
  #confirmed(channel, told) {
    const one = this.#subscriptions.get(channel);
    if (one && !this.#places.get(channel)) this.#places.confirm(channel, told, one.options);
  }

  /** @param {import("./subscription.js").Message} message @param {Position | undefined} at */
  #message(message, at) {
    const { room, seq, prev } = message;
    const by = this.#heard(room);
    if (!by.length) return;
    if (seq === undefined) return this.#hand(room, "onMessage", message);
    const before = this.#places.get(room);
    // The server has restarted, or this is where the tab begins.
    if (at && before?.epoch !== at.epoch) this.#places.set(room, { epoch: at.epoch, seq: seq - 1 });
    const { isNew, gap: missing } = this.#places.arrive(room, seq, prev);
    // Of what is missing the tab that leads has told, unless it leads since then.
    const gap = before ? missing && { ...missing, reason: "unknown" } : lateness(message, by);
    if (gap) this.#hand(room, "onGap", gap, before);
    if (isNew) this.#hand(room, "onMessage", message, before);
  }

  /** @param {import("./places.js").Gap} gap @param {Position | undefined} at where it goes on */
  #gap(gap, at) {
    const { channel, from, to, reason } = gap;
    const before = this.#places.get(channel);
    // What the leader lacks before a message: each tab compares that with its own place.
    if (from === undefined && to !== undefined) return;
    const by = this.#heard(channel);
    // A tab without a place has missed something, if its subscription had begun.
    if (!(before ? by.length : by.some((one) => one.confirmations))) return;
    if (!at && reason === "unknown") this.#places.forget(channel);
    else if (at && before?.epoch === at.epoch && from !== undefined && to !== undefined) {
      const told = { from_seq: from, to_seq: to, missed: gap.missed ?? 0, reason };
      if (!this.#places.skip(channel, told)) return;
    } else if (at) this.#places.set(channel, { epoch: at.epoch, seq: to ?? at.seq });
    this.#hand(channel, "onGap", gap, before);
  }

  /** @param {string} channel @param {any} state */
  #state(channel, state) {
    const before = this.#places.get(channel);
    const { epoch, seq } = state.as_of;
    if (!this.#heard(channel).length || (before && before.epoch === epoch && before.seq >= seq)) return;
    this.#places.set(channel, state.as_of);
    this.#hand(channel, "onState", state, before);
  }
}

/** The tab's part that holds the connection. */
class Leader {
  /** Who wants what: by name, the tabs. @type {Map<string, Set<string>>} */
  #wanted = new Map();
  /** What the server has confirmed. @type {Set<string>} */
  #begun = new Set();
  isOver = false;
  /** @type {Client | undefined} */
  client;
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
    this.ready = new Promise((done) => setTimeout(done, CENSUS)).then(() => {
      if (this.isOver) throw new Error("The tab that leads has closed");
      this.client = new Client(url, { ...options, positions: undefined, onStatus });
      const wants = this.#census ?? new Map();
      this.#census = undefined;
      for (const want of wants.values()) this.#subscribe(want);
      return this.client;
    });
    this.ready.catch(() => {});
  }

  close() {
    this.isOver = true;
    // The next one has the word.
    this.tell = () => {};
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
      await this.ready.then((client) => client.request(event, data)).then(
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
    if (!this.#census) return this.#subscribe(want, tab);
    // The tab that stands farthest back decides where all go on.
    const other = this.#census.get(name);
    const isBehind = since && (!other?.since || since.seq < other.since.seq);
    if (!other || isBehind) this.#census.set(name, { ...other, ...want });
  }

  /** @param {Want} want @param {string} [tab] that asks for it */
  #subscribe({ name, ...from }, tab) {
    const { client } = this;
    if (!client) return;
    if (client.has(name)) return this.#again(client, name, from, tab);
    const at = (/** @type {string} */ channel) => client.position(channel);
    client.subscribe(name, {
      ...from,
      onMessage: (message, channel) => this.tell({ kind: "message", message, at: at(channel) }),
      onGap: (gap, channel) => this.tell({ kind: "gap", gap, at: at(channel) }),
      onState: (state, channel) => this.tell({ kind: "state", channel, state }),
      onError: (error) => this.tell({ kind: "ended", name, why: error.message, code: error.code }),
      onConfirmed: (told) => {
        this.#begun.add(name);
        this.tell({ kind: "confirmed", name, told });
      },
    });
  }

  /** It is heard already: what this tab lacks is sent once more.
   * @param {Client} client @param {string} name @param {Omit<Want, "name">} from
   * @param {string} [tab] */
  async #again(client, name, { since, last, replay, state }, tab) {
    if (!since && last && !replay && !name.endsWith("*")) {
      const page = await client.history(name, { limit: last, reverse: true }).catch(() => undefined);
      const oldest = page?.messages.at(-1);
      since = oldest && { epoch: page.epoch, seq: oldest.seq - 1 };
    }
    if (await client.again(name, since ? { since } : { state, replay })) return;
    const told = client.position(name) ?? {};
    // Where the server's answer is due, all tabs will be told of that.
    if (client.status === "open" && this.#begun.has(name)) this.tell({ kind: "confirmed", tab, name, told });
  }

  /** @param {string} tab @param {string} name */
  #unwant(tab, name) {
    const tabs = this.#wanted.get(name);
    if (!tabs?.delete(tab) || tabs.size) return;
    this.#wanted.delete(name);
    this.#begun.delete(name);
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
