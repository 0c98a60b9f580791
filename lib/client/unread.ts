// Messages that arrived and were not shown yet, oldest first, as this client holds them.
// In memory only: the server keeps every message until this device has shown it, so nothing is lost when the client dies. It
// holds a bounded amount; the rest is left with the server, and asked for again once there is room.
import type { ReceivedMessage } from "../protocol/events.ts";

/** Most memory for messages, in bytes: all that a usual mailbox holds, a quarter of the largest. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;

/** How many of the newest messages are known by their ids: more than can be on the way again after a restore, one for each sender. */
const KNOWN_IDS = 1_000;

/** What a message costs beside its text: its id, its sender, the object. */
const MESSAGE_BYTES = 300;

export class Unread {
  readonly #waiting: ReceivedMessage[] = [];
  readonly #maxBytes: number;
  readonly #known = new Map<string, number>(); // sender and id of the newest messages, with their sequences
  /**
   * A message that came a second time under a new sequence, as the server that stored it came back from a backup without it, and
   * its sender had not heard that it was stored.
   */
  #again = { first: 0, sequence: 0 };
  #heldBytes = 0;
  #received: number;
  #upTo = Infinity;
  #waitedUpTo = Infinity; // highest sequence that waited on the server when it was last asked, once it has answered
  #leftUpTo: number | null = null; // what is left with the server begins at or below this sequence; null when nothing is
  #isFull = false; // since the server was asked last
  #caughtUp = Promise.withResolvers<number>();
  #isCaughtUp = false; // whether that is resolved

  constructor(shownUpTo: number, maxBytes: number = MAX_HELD_BYTES) {
    this.#received = shownUpTo;
    this.#maxBytes = maxBytes;
  }

  /** Highest sequence that has arrived here, or was shown before; everything below it has, too. */
  get received(): number {
    return this.#received;
  }

  get waiting(): readonly ReceivedMessage[] {
    return this.#waiting;
  }

  /** Whether more waits on the server than is held here. */
  get hasMore(): boolean {
    return this.#leftUpTo !== null;
  }

  /** Whether a message waited on the server when that was last asked; else it has come since. */
  hasWaited({ sequence }: ReceivedMessage): boolean {
    return sequence <= this.#waitedUpTo;
  }

  /** Whether more of what waited there is to come now. */
  get isCatchingUp(): boolean {
    return !this.#isFull && this.#received < this.#waitedUpTo;
  }

  /** Whether the server should be asked again for what was left with it: half of the room is free. */
  get wantsMore(): boolean {
    return this.#isFull && this.#heldBytes <= this.#maxBytes / 2;
  }

  /** Resolves once all that waited on the server when it was last asked has arrived, or as much as is held; with the highest sequence. */
  get caughtUp(): Promise<number> {
    return this.#caughtUp.promise;
  }

  /**
   * Takes a message that arrived. Returns false for one that was here before (after a reconnect, or after a restore of the server),
   * or that there is no room for.
   */
  take(message: ReceivedMessage): boolean {
    if (message.sequence <= this.#received) return false;
    if (this.#leftUpTo !== null) {
      // Taking what was sent before the server was asked again would skip what was left with it.
      if (message.sequence > this.#leftUpTo) return false;
      this.#leftUpTo = null;
    }
    const name = `${message.from} ${message.id}`;
    const first = this.#known.get(name);
    if (first !== undefined) {
      this.#received = message.sequence;
      this.#again = { first, sequence: message.sequence };
      this.#check();
      return false;
    }
    const bytes = bytesOf(message);
    if (this.#waiting.length > 0 && this.#heldBytes + bytes > this.#maxBytes) {
      this.#leftUpTo = message.sequence;
      this.#isFull = true;
      this.#check();
      return false;
    }
    this.#received = message.sequence;
    this.#heldBytes += bytes;
    this.#waiting.push(message);
    this.#remember(name, message.sequence);
    this.#check();
    return true;
  }

  /** How far all was shown once all up to a sequence was: what came a second time may follow, and is not shown again. */
  reach(upTo: number): number {
    const { first, sequence } = this.#again;
    const next = this.#waiting.find((message) => message.sequence > upTo)?.sequence ?? Infinity;
    return first <= upTo && sequence < next ? Math.max(upTo, sequence) : upTo;
  }

  /** Learns up to which sequence the server has messages waiting (the reply to `subscribe`). */
  expect(upTo: number): void {
    this.#upTo = upTo;
    this.#waitedUpTo = upTo;
    this.#check();
  }

  /** Learns that the server has stopped sending, and up to which sequence it has messages. */
  stopped(upTo: number): void {
    if (this.#leftUpTo !== null) this.#leftUpTo = Math.max(this.#leftUpTo, upTo);
  }

  askedAgain(): void {
    this.#isFull = false;
    this.#waitedUpTo = Infinity;
    if (!this.#isCaughtUp) return;
    this.#upTo = Infinity;
    this.#isCaughtUp = false;
    this.#caughtUp = Promise.withResolvers();
  }

  /** Learns that the server is asked on a new connection: nothing of an earlier one comes any more. */
  startedAnew(): void {
    if (this.hasMore) this.askedAgain();
    this.#waitedUpTo = Infinity;
    this.#leftUpTo = null;
  }

  /** Drops what was shown here, or is known to have been shown. */
  shown(upTo: number): void {
    const rest = this.#waiting.findIndex(({ sequence }) => sequence > upTo);
    const gone = this.#waiting.splice(0, rest < 0 ? this.#waiting.length : rest);
    for (const message of gone) this.#heldBytes -= bytesOf(message);
    this.#received = Math.max(this.#received, upTo);
    this.#check();
  }

  #remember(name: string, sequence: number): void {
    this.#known.set(name, sequence);
    if (this.#known.size <= KNOWN_IDS) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }

  #check(): void {
    if (this.#upTo === Infinity || (this.#received < this.#upTo && !this.#isFull)) return;
    this.#isCaughtUp = true;
    this.#caughtUp.resolve(this.#upTo);
  }
}

function bytesOf({ text }: ReceivedMessage): number {
  return MESSAGE_BYTES + 2 * text.length;
}
