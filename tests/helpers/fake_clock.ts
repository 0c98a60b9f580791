/**
 * Time for paces.
 * @module
 */
import type { PaceClock } from "../../lib/chat/throttles/pace.ts";

/** A clock that stands still until somebody sleeps, and then goes on at once. */
export class FakeClock implements PaceClock {
  time = 0;
  #going = Promise.resolve();
  #go = () => {};

  now(): number {
    return this.time;
  }

  async sleep(ms: number): Promise<void> {
    await this.#going;
    this.time += ms;
  }

  /** Lets sleepers sleep until {@linkcode FakeClock.go}. */
  stop(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#going = promise;
    this.#go = resolve;
  }

  go(): void {
    this.#go();
  }
}
