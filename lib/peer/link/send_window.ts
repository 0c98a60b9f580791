import { ConnectionError } from "../../errors.ts";
import type { PeerMethod } from "../../protocol/peer_messages.ts";

/** Text that every network carries in one packet, whatever it does to larger ones, with envelope and two layers of TLS. */
export const SMALL_BYTES = 800;
/** What may be in flight at first, as TCP joins what is sent at one time into one packet, with answers beside it. */
const FIRST_BUDGET_BYTES = 500;
/** Requests sent and not answered on one link: what fills a long road at good speed, and little memory. */
const MAX_REQUESTS = 24;

export interface Outgoing {
  readonly seq: number;
  method: PeerMethod; // `skip` once it was taken back
  content: object;
  bytes: number; // about
  readonly confirmed: PromiseWithResolvers<void>;
}

/**
 * What one side of a direct chat has said and the other side has not answered: how much of it may be under way on the
 * present link, and what goes out next. Knows no link and no timer.
 */
export class SendWindow {
  progressAt = 0; // when this side last knew that what it sends gets through, on the clock of performance.now()
  bytesInFlight = 0; // sent on the present link and not answered
  readonly #unconfirmed = new Map<number, Outgoing>();
  #lastSeq = 0;
  #sentSeq = 0; // highest one sent on the present link
  #budgetBytes = 0; // most that may be in flight on the present link; 0 until that has answered

  get isEmpty(): boolean {
    return this.#unconfirmed.size === 0;
  }

  /** `seq` of what is first in line; undefined when all was answered. */
  get first(): number | undefined {
    return this.#unconfirmed.keys().next().value;
  }

  noteProgress(): void {
    this.progressAt = performance.now();
  }

  add(method: PeerMethod, content: object): Outgoing {
    const outgoing = {
      seq: ++this.#lastSeq,
      method,
      content,
      bytes: sizeOf(content),
      confirmed: Promise.withResolvers<void>(),
    };
    if (this.isEmpty) this.noteProgress();
    this.#unconfirmed.set(outgoing.seq, outgoing);
    return outgoing;
  }

  /** Begins on a new link, whose other end has all up to `theirReceived`. Nothing may go out before {@linkcode open}. */
  restart(theirReceived: number): void {
    for (const outgoing of [...this.#unconfirmed.values()]) {
      if (outgoing.seq <= theirReceived) this.confirm(outgoing);
    }
    this.#sentSeq = Math.min(this.#sentSeq, theirReceived);
    this.bytesInFlight = 0;
    this.#budgetBytes = 0;
    this.noteProgress();
  }

  open(): void {
    this.#budgetBytes = FIRST_BUDGET_BYTES;
  }

  /** What goes out next; undefined while nothing may. */
  next(): Outgoing | undefined {
    while (
      this.#budgetBytes > 0 && this.#sentSeq < this.#lastSeq && this.#requestsInFlight() < MAX_REQUESTS
    ) {
      const outgoing = this.#unconfirmed.get(this.#sentSeq + 1);
      const isOver = outgoing && this.bytesInFlight + outgoing.bytes > this.#budgetBytes;
      if (isOver && this.bytesInFlight > 0) return undefined;
      this.#sentSeq += 1;
      if (!outgoing) continue;
      this.bytesInFlight += outgoing.bytes;
      return outgoing;
    }
  }

  #requestsInFlight(): number {
    // Confirmations come in order but for a moment, so the oldest unconfirmed one says how many are under way.
    const { first } = this;
    return first === undefined ? 0 : Math.max(0, this.#sentSeq - first + 1);
  }

  /** So many bytes were answered on the present link; where it is not narrow, twice as many may follow. */
  answered(bytes: number, isNarrow: boolean): void {
    this.bytesInFlight -= bytes;
    if (!isNarrow) this.#budgetBytes *= 2;
  }

  confirm(outgoing: Outgoing): void {
    if (!this.#unconfirmed.delete(outgoing.seq)) return;
    this.noteProgress();
    outgoing.confirmed.resolve();
  }

  /** Takes back what a narrow route does not carry; the other side is told of a gap in its place. */
  takeBackLarge(): void {
    for (const outgoing of this.#unconfirmed.values()) {
      if (outgoing.bytes <= SMALL_BYTES) continue;
      outgoing.method = "skip";
      outgoing.content = {};
      outgoing.bytes = 0;
      outgoing.confirmed.reject(tooLarge());
    }
  }

  drop(error: ConnectionError): void {
    for (const outgoing of this.#unconfirmed.values()) {
      outgoing.confirmed.promise.catch(() => {}); // it may have no listener any more
      outgoing.confirmed.reject(error);
    }
    this.#unconfirmed.clear();
  }
}

export function tooLarge(): ConnectionError {
  return new ConnectionError(
    `Cannot send it: the network between you carries nothing over ${SMALL_BYTES} bytes`,
  );
}

/** The texts of a message; the rest is small. */
export function sizeOf(content: object): number {
  return Object.values(content).reduce(
    (sum, value) => sum + (typeof value === "string" ? value.length : 0),
    100,
  );
}
