// @ts-check
// Where a client stands in each channel: what is next, what came already, what is missing.

/**
 * A place in a channel: the last message seen, in one life of the channel's log.
 * @typedef {{epoch: string, seq: number}} Position
 *
 * Messages that will not come. `from` and `to` are positions, as far as they are known.
 * @typedef {{channel: string, reason: string, missed?: number, from?: number, to?: number}} Gap
 *
 * The server's answer about one channel of a subscription.
 * @typedef {{epoch: string, seq: number, oldest?: number, recovered?: boolean, partial?: boolean,
 *   reason?: string, state?: object | null, as_of?: Position}} Confirmation
 */

export class Places {
  /** @type {Map<string, Position & {loose?: number}>} */
  #of = new Map();
  /** Of the newest confirmation: channels that come by a pattern are in it too. */
  #epoch = "";

  /** @param {Record<string, Position>} [saved] */
  constructor(saved = {}) {
    for (const [channel, { epoch, seq }] of Object.entries(saved)) this.#of.set(channel, { epoch, seq });
  }

  /** @param {string} channel @returns {Position | undefined} */
  get(channel) {
    const place = this.#of.get(channel);
    return place && { epoch: place.epoch, seq: place.seq };
  }

  /** @param {string} channel @param {Position} position */
  set(channel, position) {
    this.#of.set(channel, { epoch: position.epoch, seq: position.seq });
  }

  /** @param {string} channel */
  forget(channel) {
    this.#of.delete(channel);
  }

  /** All places, to be saved: those that can be named. @returns {Record<string, Position>} */
  all() {
    const known = [...this.#of].filter(([, { epoch }]) => epoch);
    return Object.fromEntries(known.map(([channel, { epoch, seq }]) => [channel, { epoch, seq }]));
  }

  /** Names of all channels that have a place. */
  channels() {
    return [...this.#of.keys()];
  }

  /** The epoch of what follows, where no confirmation names it. @param {string} epoch */
  enter(epoch) {
    this.#epoch = epoch;
  }

  /** A subscription was confirmed. Returns the gap that it tells of.
   * @param {string} channel
   * @param {Confirmation} told
   * @param {{last?: number, replay?: string}} asked for without a place
   * @returns {Gap | undefined}
   */
  confirm(channel, told, asked = {}) {
    const { epoch, seq, oldest = seq + 1, recovered, partial, reason = "unknown" } = told;
    this.#epoch = epoch;
    const had = this.#of.get(channel);
    if (!had || had.epoch !== epoch || recovered === undefined) {
      // What may come before live begins: the last messages, or what the log holds.
      const first = Math.max(0, oldest - 1);
      let from = partial ? first : seq;
      // The newest message of a key may be older than the log.
      if (!had && asked.replay) from = 0;
      else if (!had && asked.last) from = Math.min(seq, Math.max(first, seq - asked.last));
      if (had?.epoch === epoch) from = Math.max(from, had.seq);
      // How many of them there are the server knows: up to here no message is missing.
      const loose = !had && (asked.last || asked.replay) ? seq : undefined;
      this.#of.set(channel, { epoch, seq: from, loose });
      return recovered === false && had ? { channel, reason } : undefined;
    }
    if (recovered || partial) return undefined;
    this.#of.set(channel, { epoch, seq });
    if (had.seq > seq) return { channel, reason };
    return { channel, reason, from: had.seq + 1, to: seq, missed: seq - had.seq };
  }

  /** A message has arrived. Returns whether it is new, and the gap before it, of which the server
   * has not told.
   * @param {string} channel
   * @param {number} seq
   * @param {number} [prev] the position of the message before it, where that is not `seq - 1`
   * @returns {{isNew: boolean, gap?: Gap}}
   */
  arrive(channel, seq, prev = seq - 1) {
    const had = this.#of.get(channel);
    if (had && seq <= had.seq) return { isNew: false };
    this.#of.set(channel, { epoch: had?.epoch ?? this.#epoch, seq, loose: had?.loose });
    if (!had || prev <= had.seq || prev <= (had.loose ?? -1)) return { isNew: true };
    const gap = { channel, reason: "missing", from: had.seq + 1, to: seq - 1 };
    return { isNew: true, gap: { ...gap, missed: gap.to - gap.from + 1 } };
  }

  /** The server tells of messages that will not come. Returns the gap, unless it is known.
   * @param {string} channel
   * @param {{from_seq: number, to_seq: number, missed: number, reason: string, epoch?: string}} told
   * @returns {Gap | undefined}
   */
  skip(channel, told) {
    const had = this.#of.get(channel);
    if (had && told.to_seq <= had.seq) return undefined;
    const epoch = told.epoch ?? had?.epoch ?? this.#epoch;
    this.#of.set(channel, { epoch, seq: told.to_seq, loose: had?.loose });
    const { from_seq: from, to_seq: to, missed, reason } = told;
    return { channel, reason, from, to, missed };
  }
}
