// TLS handshakes under way on sockets that Deno's own listener accepted.
// Deno 2.8 cannot end such a socket: `close()` lets go of it, but the system keeps it until the caller speaks or leaves. So
// each is counted until it really is gone, also when nobody wants it any more.
import { within } from "../../waiting.ts";
import { closeQuietly } from "../byte_stream.ts";

/** A handshake that has taken so long is stuck, in milliseconds: that of an honest caller takes two round trips. */
const STUCK_AFTER_MS = 1_000;

interface Handshake {
  readonly socket: Deno.TlsConn;
  readonly since: number; // on the clock of performance.now()
  isGivenUp: boolean;
}

export class Handshakes {
  readonly #underWay = new Set<Handshake>();
  readonly #onEnd: () => void;
  #isClosed = false;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  /** Sockets in the middle of their handshake, those of callers that were given up included. */
  get count(): number {
    return this.#underWay.size;
  }

  /** Milliseconds until so many are stuck unless some end before; 0 or less when they are, or were given up. */
  untilStuckMs(count: number): number {
    const now = performance.now();
    const untilStuck = [...this.#underWay]
      .map(({ isGivenUp, since }) => isGivenUp ? 0 : since + STUCK_AFTER_MS - now)
      .sort((a, b) => a - b);
    return untilStuck[count - 1] ?? STUCK_AFTER_MS;
  }

  /**
   * Waits for a handshake.
   * @param timeoutMs When the caller is given up.
   * @returns What it has settled; undefined when it took too long, and the socket is not the caller's any more.
   * @throws {Error} When it fails; the socket is closed then.
   */
  async wait(socket: Deno.TlsConn, timeoutMs: number): Promise<Deno.TlsHandshakeInfo | undefined> {
    const handshake = { socket, since: performance.now(), isGivenUp: false };
    const info = await within(timeoutMs, this.#watch(handshake));
    if (!info) this.#giveUp(handshake);
    return info;
  }

  turnAway(socket: Deno.TlsConn): void {
    const handshake = { socket, since: performance.now(), isGivenUp: false };
    this.#watch(handshake).catch(() => {});
    this.#giveUp(handshake);
  }

  /** Watches those no longer that were given up, or will be. */
  close(): void {
    this.#isClosed = true;
    for (const { socket, isGivenUp } of this.#underWay) if (isGivenUp) closeQuietly(socket);
  }

  async #watch(handshake: Handshake): Promise<Deno.TlsHandshakeInfo> {
    this.#underWay.add(handshake);
    let isDone = false;
    try {
      const info = await handshake.socket.handshake();
      isDone = true;
      return info;
    } finally {
      this.#underWay.delete(handshake);
      if (!isDone || handshake.isGivenUp) closeQuietly(handshake.socket);
      this.#onEnd();
    }
  }

  #giveUp(handshake: Handshake): void {
    handshake.isGivenUp = true;
    // Otherwise it is closed later: now that would only hide when the system has it back.
    if (this.#isClosed) closeQuietly(handshake.socket);
  }
}
