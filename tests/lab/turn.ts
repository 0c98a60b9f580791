/**
 * What only one row of the lab may do at a time: what is timed is not slowed by another row's start.
 * @module
 */

/** A turn that is waited for, taken and given back; those who wait get it in the order in which they asked. */
export class Turn {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is this caller's turn, which lasts until the result is disposed of. */
  async take(): Promise<Disposable> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    return { [Symbol.dispose]: resolve };
  }
}
