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
 * @property {"latest"} [replay] begin with the newest message of each key
 * @property {boolean} [state] begin with the channel's state document: see `onState`
 * @property {boolean} [presence] who else is there, as `presence.*` events
 * @property {(message: Message) => void} [onMessage] each message once, in order
 * @property {(gap: import("./places.js").Gap) => void} [onGap] messages that will not come, once
 * @property {(state: {state: any, as_of: import("./places.js").Position}, channel: string) => void}
 *   [onState] the channel's state; what comes after it follows as messages
 * @property {(told: object) => void} [onConfirmed] the server has confirmed it, each time
 * @property {(error: Error & {code?: string}) => void} [onError] the subscription has ended
 */

export class Subscription {
  /** Whether anything is handed to the application. */
  isOpen = true;
  /** @type {(told: object) => void} */
  #confirm = () => {};
  /** @type {(error: Error) => void} */
  #refuse = () => {};

  /** @param {string} name @param {SubscribeOptions} options @param {() => Promise<void>} leave */
  constructor(name, options, leave) {
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
    this.isOpen = false;
    await this.leave();
  }

  /** Hands something to the application.
   * @param {"onMessage" | "onGap" | "onState"} to @param {any} what @param {string} [channel] */
  hand(to, what, channel = "") {
    if (this.isOpen) this.options[to]?.(what, channel);
  }

  /** @param {object} told */
  confirmed(told) {
    this.#confirm(told);
  }

  /** The server ends it, or never began it. @param {Error} error */
  end(error) {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#refuse(error);
    this.options.onError?.(error);
  }
}
