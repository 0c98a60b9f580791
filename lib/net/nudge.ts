/**
 * Sends an empty line when this end would stay silent, so that the next frame of the other end is not held back.
 *
 * Deno 2.8 leaves Nagle's algorithm on for TLS connections that it accepts, and has no way to turn it off: a frame behind
 * another one is held back until that one's bytes are acknowledged, and the system of a client that has nothing to say
 * takes up to 40 ms for that. Any byte carries the acknowledgement at once, and frames may be empty (protocol README,
 * "Framing"). Measured: from a sender to a friend's screen, at 200 messages a second, 41 ms without it and 1 ms with it.
 * @see RFC 896 (Nagle), RFC 9293 §3.8.6.3 (delayed acknowledgements)
 * @module
 */

const SILENCE_MS = 1;

/** Sends an empty line soon, unless something else is sent first. */
export class Nudge {
  readonly #send: (frame: string) => void;
  #timer: ReturnType<typeof setTimeout> | undefined; // set while silence is being measured

  constructor(send: (frame: string) => void) {
    this.#send = send;
  }

  /** Something arrived, and its acknowledgement should not be late. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#send("\n");
    }, SILENCE_MS);
  }

  /** Something was sent, which carries the acknowledgement; or there is nobody left to nudge. */
  needless(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
