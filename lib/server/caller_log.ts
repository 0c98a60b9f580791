// Lines of the log that callers can bring about by the thousand: a few in full, the rest as a count, however many a flood brings.
import type { Log, SignedIn } from "../chat/services.ts";
import type { RefusedCaller } from "../net/slots.ts";

const STRETCH_MS = 60_000; // begins with the first line after a rest
const REFUSALS_PER_STRETCH = 5; // for each reason
const STRANGERS_PER_STRETCH = 60; // who came, and as many who went
const LINES_OF_ONE_PER_STRETCH = 60; // account, whose connections come and go

interface FewLinesOptions {
  readonly most: number; // of one kind in a stretch
  readonly stretchMs?: number; // STRETCH_MS by default
  readonly tellMore: (kind: string, more: number) => void; // at the end of a stretch: so many were left out
}

/** Lets some lines of each kind through, and counts the others. */
class FewLines implements Disposable {
  readonly #options: FewLinesOptions;
  readonly #counts = new Map<string, number>(); // of this stretch
  #isDisposed = false;
  #timer: ReturnType<typeof setTimeout> | undefined; // set while a stretch lasts

  constructor(options: FewLinesOptions) {
    this.#options = options;
  }

  note(kind: string, write: () => void): void {
    if (this.#isDisposed) return;
    const { most, stretchMs = STRETCH_MS } = this.#options;
    this.#timer ??= setTimeout(() => this.#endStretch(), stretchMs);
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count <= most) write();
  }

  /** Has told what was left out, and takes nothing more. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#endStretch();
  }

  #endStretch(): void {
    this.#timer = undefined;
    for (const [kind, count] of this.#counts) {
      const more = count - this.#options.most;
      if (more > 0) this.#options.tellMore(kind, more);
    }
    this.#counts.clear();
  }
}

/** The log of callers that got no connection. */
export class RefusedCallers implements Disposable {
  readonly #log: Log;
  readonly #lines: FewLines;

  /** @param stretchMs For tests. */
  constructor(log: Log, stretchMs?: number) {
    this.#log = log;
    this.#lines = new FewLines({
      most: REFUSALS_PER_STRETCH,
      ...(stretchMs === undefined ? {} : { stretchMs }),
      tellMore: (reason, more) => log.info("more callers refused", { reason, more }),
    });
  }

  /** Takes one caller. Bound, so that it can be handed on. */
  readonly note = (refused: RefusedCaller): void => {
    this.#lines.note(refused.reason, () => this.#log.info("caller refused", { ...refused }));
  };

  /** Writes what is not written yet, and takes nobody more. */
  [Symbol.dispose](): void {
    this.#lines[Symbol.dispose]();
  }
}

/** The log of connections: of those on which nobody has signed in, or not yet, all together; of the others for each account. */
export class CallerLog implements Disposable {
  readonly #log: Log;
  readonly #strangers: FewLines;
  readonly #people: FewLines; // by name

  constructor(log: Log) {
    this.#log = log;
    this.#strangers = new FewLines({
      most: STRANGERS_PER_STRETCH,
      tellMore: (kind, more) => log.info(`more ${kind}`, { more }),
    });
    this.#people = new FewLines({
      most: LINES_OF_ONE_PER_STRETCH,
      tellMore: (name, more) => log.info("signed in or disconnected more often", { name, more }),
    });
  }

  connected(properties: { readonly connection: string; readonly address: string }): void {
    this.#strangers.note("callers connected", () => this.#log.info("connected", properties));
  }

  signedIn(properties: SignedIn): void {
    this.#people.note(properties.name, () => this.#log.info("signed in", { ...properties }));
  }

  /** @param ended.name Of whoever had signed in; unset where nobody had. */
  disconnected(
    ended: { readonly connection: string; readonly name?: string; readonly reason: string },
  ): void {
    const write = () => this.#log.info("disconnected", ended);
    if (ended.name === undefined) this.#strangers.note("callers disconnected", write);
    else this.#people.note(ended.name, write);
  }

  /** Of a connection beside the sessions, which was lost before its request was answered. */
  sideLost(properties: { readonly reason: string }): void {
    this.#strangers.note("side connections lost", () => this.#log.info("side connection lost", properties));
  }

  /** Writes what is not written yet. */
  [Symbol.dispose](): void {
    this.#strangers[Symbol.dispose]();
    this.#people[Symbol.dispose]();
  }
}
