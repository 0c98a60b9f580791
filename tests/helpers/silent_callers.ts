/**
 * Callers who connect to a TLS port and never say a word.
 * @module
 */
import { connect, type Socket } from "node:net";
import { waitUntil } from "./wait_until.ts";

/** Callers who dial at the same time. */
const AT_ONCE = 50;

/** When a caller who is neither accepted nor sent away fails the test, in milliseconds. */
const DIAL_WITHIN_MS = 20_000;

/** The n-th of many loopback addresses; only Linux has more than the first without being told. */
export function loopbackAddress(n: number): string {
  return `127.${n >> 16}.${n >> 8 & 255}.${n % 255 + 1}`;
}

/** Silent callers, all of one port. */
export class SilentCallers {
  readonly #sockets: Socket[] = [];
  #goneCount = 0;

  /**
   * Lets them call.
   *
   * @param port Port on this machine.
   * @param count How many.
   * @param addressOf Address that the n-th calls from.
   * @returns Once each is connected, or was hung up on already.
   */
  static async call(port: number, count: number, addressOf: (n: number) => string): Promise<SilentCallers> {
    const callers = new SilentCallers();
    for (let n = 0; n < count; n += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, k) => addressOf(n + k));
      await Promise.all(some.map((address) => callers.#dial(port, address)));
    }
    return callers;
  }

  /** How many were hung up on. */
  get goneCount(): number {
    return this.#goneCount;
  }

  /** Waits until so many were hung up on. */
  async untilGone(count: number): Promise<void> {
    const what = `${count} of ${this.#sockets.length} silent callers are gone`;
    await waitUntil(what, () => Promise.resolve(this.#goneCount >= count));
  }

  /** Lets all of them hang up. */
  async leave(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.untilGone(this.#sockets.length);
  }

  #dial(port: number, localAddress: string): Promise<void> {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    this.#sockets.push(socket);
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => this.#goneCount += 1);
    return new Promise((resolve, reject) => {
      const late = new Error(`Nobody accepts callers of port ${port} for ${DIAL_WITHIN_MS} ms`);
      const timer = setTimeout(() => reject(late), DIAL_WITHIN_MS);
      const settle = () => {
        clearTimeout(timer);
        resolve();
      };
      socket.once("connect", settle);
      socket.once("close", settle);
    });
  }
}
