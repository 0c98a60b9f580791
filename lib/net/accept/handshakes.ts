// TLS handshakes under way on sockets that Deno's own listener accepted.
// Deno 2.8 cannot end such a socket: `close()` lets go of it, but the system keeps it until the caller speaks or leaves. So
// each is counted until it really is gone, also when nobody wants it any more.
import { within } from "../../waiting.ts";
import { closeQuietly } from "../byte_stream.ts";

/**
 * A handshake that has taken so long is stuck, in milliseconds: that of an honest caller takes two round trips. It may be this process
 * that is slow, where thousands come back at once: as long as others got through just now, it is given more time.
 */
const STUCK_AFTER_MS = 1_000;
const STUCK_ANYHOW_MS = 5_000;
const JUST_NOW_MS = 250;

interface Handshake {
  readonly socket: Deno.TlsConn;
  readonly since: number;
  isGivenUp: boolean;
}

export class Handshakes {
  readonly #underWay = new Set<Handshake>();
  readonly #onEnd: () => void;
  readonly #now: () => number;
  #doneAt = -Infinity; // when one was last finished
  #isClosed = false;

  /** @param now The clock, in milliseconds. */
  constructor(onEnd: () => void, now: () => number = () => performance.now()) {
    this.#onEnd = onEnd;
    this.#now = now;
  }

  /** Sockets in the middle of their handshake, those of callers that were given up included. */
  get count(): number {
    return this.#underWay.size;
  }

  /** Milliseconds until so many are stuck unless some end before; 0 or less when they are, or were given up. */
  untilStuckMs(count: number): number {
    const now = this.#now();
    const agesMs = [...this.#underWay]
      .map(({ isGivenUp, since }) => isGivenUp ? STUCK_ANYHOW_MS : now - since)
      .sort((a, b) => b - a);
    const ageMs = agesMs[count - 1] ?? 0;
    const untilQuietMs = this.#doneAt + JUST_NOW_MS - now;
    return Math.min(STUCK_ANYHOW_MS - ageMs, Math.max(STUCK_AFTER_MS - ageMs, untilQuietMs));
  }

  /**
   * Waits for a handshake.
   * @param timeoutMs When the caller is given up.
   * @returns What it has settled; undefined when it took too long, and the socket is not the caller's any more.
   * @throws {Error} When it fails; the socket is closed then.
   */
  async wait(socket: Deno.TlsConn, timeoutMs: number): Promise<Deno.TlsHandshakeInfo | undefined> {
    const handshake = { socket, since: this.#now(), isGivenUp: false };
    const info = await within(timeoutMs, this.#watch(handshake));
    if (!info) this.#giveUp(handshake);
    return info;
  }

  turnAway(socket: Deno.TlsConn): void {
    const handshake = { socket, since: this.#now(), isGivenUp: false };
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
      this.#doneAt = this.#now();
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
