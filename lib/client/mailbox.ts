/**
 * The mailbox as this client holds it: what arrived and was not shown yet, oldest first.
 *
 * In memory only: the server keeps every message until this device has shown it, so nothing is lost when the client dies.
 * @module
 */
import type { ReceivedMessage } from "../protocol/events.ts";

/** Messages that wait to be shown. */
export class Mailbox {
  readonly #waiting: ReceivedMessage[] = [];
  #received: number;
  #upTo = Infinity;
  #caughtUp = Promise.withResolvers<void>();

  /** Begins empty. @param shownUpTo Highest sequence that was shown already. */
  constructor(shownUpTo: number) {
    this.#received = shownUpTo;
  }

  /** Highest sequence that has arrived here, or was shown before. */
  get received(): number {
    return this.#received;
  }

  /** What waits to be shown, oldest first. */
  get waiting(): readonly ReceivedMessage[] {
    return this.#waiting;
  }

  /** Resolves once everything that waited on the server when it was asked has arrived. */
  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise;
  }

  /** Takes a message that arrived. Returns false for one that was here before (after a reconnect). */
  take(message: ReceivedMessage): boolean {
    if (message.sequence <= this.#received) return false;
    this.#received = message.sequence;
    this.#waiting.push(message);
    this.#check();
    return true;
  }

  /** Learns up to which sequence the server has messages waiting (the reply to `subscribe`). */
  expect(upTo: number): void {
    this.#upTo = upTo;
    this.#check();
  }

  /** Drops what was shown here, or is known to have been shown. */
  shown(upTo: number): void {
    const rest = this.#waiting.findIndex(({ sequence }) => sequence > upTo);
    this.#waiting.splice(0, rest < 0 ? this.#waiting.length : rest);
    this.#received = Math.max(this.#received, upTo);
    this.#check();
  }

  #check(): void {
    if (this.#received >= this.#upTo) this.#caughtUp.resolve();
  }
}
