// @ts-check
// One subscription of a client: to a channel, or to all whose names begin with a prefix.

/**
 * A message as the server sends it: docs/PROTOCOL.md, section 1.
 * @typedef {{type: string, event: string, data: any, room: string, seq: number, id: string,
 *   timestamp: string, key?: string, prev?: number}} Message
 *
 * @typedef {object} SubscribeOptions
 * @property {import("./places.js").Position} [since] go on behind this place
 * @property {number} [last] begin with so many older messages
 * @property {"latest"} [replay] begin with the newest message of each key, in the place of `last`
 * @property {boolean} [state] begin with the channel's state document: see `onState`
 * @property {boolean} [presence] who else is there, as `presence.*` events
 * @property {(message: Message, channel: string) => any} [onMessage] each message once, in order; what
 *   comes next waits for the promise that it may return
 * @property {(gap: import("./places.js").Gap, channel: string) => any} [onGap] messages that will not come, once
 * @property {(state: {state: any, as_of: import("./places.js").Position}, channel: string) => any}
 *   [onState] the channel's state; what comes after it follows as messages
 * @property {(told: object) => void} [onConfirmed] the server has confirmed it, each time
 * @property {(error: Error & {code?: string}) => void} [onError] the subscription has ended
 */

/** Places, but no farther than what the application is through with.
 * @param {Record<string, import("./places.js").Position>} all @param {Iterable<Subscription>} of */
export function handled(all, of) {
  for (const one of of) {
    for (const [channel, at] of one.handled) {
      const other = all[channel];
      if (other && (at.epoch !== other.epoch || at.seq < other.seq)) all[channel] = at;
    }
  }
  return all;
}

/** The gap before the first message of a channel that came by a pattern, where a connection has ended
 * since the pattern was confirmed first: nobody knows what of it came meanwhile.
 * @param {Message} message @param {Subscription[]} of */
export function lateness({ room, seq, prev = seq - 1 }, of) {
  const isLate = prev > 0 && of.some((one) => one.isPattern && one.confirmations > 1);
  return isLate ? { channel: room, reason: "unknown", to: seq - 1 } : undefined;
}

export class Subscription {
  /** Whether anything is handed to the application. */
  isOpen = true;
  /** More than one: connections have ended meanwhile. */
  confirmations = 0;
  /** @type {(told: object) => void} */
  #confirm = () => {};
  /** @type {(error: Error) => void} */
  #refuse = () => {};

  /** What waits for handlers that are busy. */
  waiting = 0;
  /** By channel, what they are through with, as long as any is busy.
   * @type {Map<string, import("./places.js").Position>} */
  handled = new Map();
  #last = Promise.resolve();
  #fail;

  /** @param {string} name @param {SubscribeOptions} options @param {() => Promise<void>} leave
   * @param {(error: Error) => void} fail a handler failed */
  constructor(name, options, leave, fail) {
    this.#fail = fail;
    this.name = name;
    this.isPattern = name.endsWith("*");
    this.options = options;
    this.leave = leave;
    /** The first confirmation. */
    this.ready = new Promise((resolve, reject) => ([this.#confirm, this.#refuse] = [resolve, reject]));
    this.ready.catch(() => {});
  }

  /** @param {string} channel */
  covers(channel) {
    return this.isPattern ? channel.startsWith(this.name.slice(0, -1)) : channel === this.name;
  }

  /** Ends it: from now on nothing of it is handed over. Resolves when the server has confirmed. */
  async unsubscribe() {
    if (!this.isOpen) return;
    this.close(new Error("Unsubscribed"));
    await this.leave();
  }

  /** Hands something to the application, behind what its handlers are still busy with.
   * @param {"onMessage" | "onGap" | "onState"} to
   * @param {any} what
   * @param {string} channel
   * @param {import("./places.js").Position} [before] where the channel stood before
   * @param {import("./places.js").Position} [at] where it stands with this
   */
  hand(to, what, channel, before, at) {
    const run = () => (this.isOpen ? this.options[to]?.(what, channel) : undefined);
    if (!this.waiting) {
      const result = run();
      if (!result?.then) return;
      this.#last = result;
    } else this.#last = this.#last.then(run);
    this.waiting++;
    if (before && !this.handled.has(channel)) this.handled.set(channel, before);
    this.#last = this.#last.catch(this.#fail).then(() => {
      if (at) this.handled.set(channel, at);
      if (!--this.waiting) this.handled.clear();
    });
  }

  /** @param {object} told */
  confirmed(told) {
    this.confirmations++;
    this.#confirm(told);
  }

  /** The server ends it, or never began it. @param {Error} error */
  end(error) {
    if (!this.isOpen) return;
    this.close(error);
    this.options.onError?.(error);
  }

  /** Nothing of it is handed over any more. @param {Error} error */
  close(error) {
    this.isOpen = false;
    this.#refuse(error);
  }
}
