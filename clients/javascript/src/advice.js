// @ts-check
// What to do after a connection's end: docs/PROTOCOL.md, section 2, has the codes.

/** Whether to connect again after this close code, and when.
 * @param {number} code
 * @param {boolean} mayRenew whether another token can be had
 * @returns {"now" | "later" | "never"}
 */
export function after(code, mayRenew) {
  if (code === 4001 || code === 4002 || code === 1008) return mayRenew ? "later" : "never";
  if ([1002, 1003, 1007, 1009, 1010].includes(code) || (code >= 4000 && code < 4100)) return "never";
  return code === 1011 || code === 1012 || (code >= 4200 && code < 4300) ? "now" : "later";
}

/** Times between attempts: full jitter, so that clients that were cut at once come back spread. */
export class Backoff {
  #attempt = 0;

  /** @param {number} base milliseconds @param {number} max milliseconds @param {() => number} random */
  constructor(base, max, random = Math.random) {
    this.base = base;
    this.max = max;
    this.random = random;
  }

  /** The server's own advice takes the place of the defaults.
   * @param {{base_ms?: number, max_ms?: number} | undefined} advice */
  advise(advice) {
    this.base = advice?.base_ms ?? this.base;
    this.max = advice?.max_ms ?? this.max;
  }

  /** Milliseconds to wait. */
  next() {
    const most = Math.min(this.max, this.base * 2 ** Math.min(this.#attempt++, 30));
    return this.random() * most;
  }

  /** A connection has proved good. */
  reset() {
    this.#attempt = 0;
  }
}
