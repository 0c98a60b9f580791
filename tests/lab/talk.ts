/**
 * The talk of two people in the lab: numbered lines both ways, each of which must arrive once and in order.
 * @module
 */
import { RowError, type Screen } from "./screen.ts";

/** Time between two lines of one person, in milliseconds. */
const PACE_MS = 1_500;
/** How long the last lines may be under way, in milliseconds. */
const LAST_LINES_MS = 15_000;

/** Two people who write to each other at an easy pace. */
export class Talk {
  readonly #ways: readonly [Way, Way];
  #timers: ReturnType<typeof setInterval>[] = [];

  /** Says nothing yet. */
  constructor(ana: Screen, bob: Screen) {
    this.#ways = [new Way(ana, bob), new Way(bob, ana)];
  }

  /** Types one line at bob's, and waits until ana sees it; returns when she did. */
  async sayFirst(): Promise<number> {
    const bobs = this.#ways[1];
    await bobs.type();
    return await bobs.whenShown(bobs.typed);
  }

  /** Types at both ends from now on. */
  goOn(): void {
    this.#ways.forEach((way, index) => {
      const begin = () => {
        way.type();
        this.#timers.push(setInterval(() => way.type(), PACE_MS));
      };
      this.#timers.push(setTimeout(begin, index * PACE_MS / 2));
    });
  }

  /** Is silent from now on. */
  pause(): void {
    this.#timers.splice(0).forEach((timer) => clearInterval(timer));
  }

  /**
   * Types one line at each end, and waits until both have arrived.
   *
   * @param options.bytes About how long the lines are; short by default.
   * @returns When the later of the two was seen.
   * @throws {RowError} One did not arrive.
   */
  async mark(options: { readonly bytes?: number; readonly withinMs: number }): Promise<number> {
    const times = await Promise.all(this.#ways.map(async (way) => {
      await way.type(options.bytes);
      return await way.whenShown(way.typed, options.withinMs);
    }));
    return Math.max(...times);
  }

  /**
   * Ends the talk, lets the last lines arrive, and looks at what came of it.
   *
   * @throws {RowError} A line is missing, came twice or out of order, or a tick is missing or too much.
   */
  async check(): Promise<void> {
    this.pause();
    // What did not come is told below, in better words.
    await Promise.allSettled(this.#ways.map((way) => way.whenShown(way.typed, LAST_LINES_MS)));
    await Promise.allSettled(this.#ways.map((way) => way.whenTicked(LAST_LINES_MS)));
    const faults = this.#ways.flatMap((way) => way.faults());
    if (faults.length > 0) throw new RowError(faults.join("; "));
  }
}

/** One direction. */
class Way {
  /** How many lines were typed. */
  typed = 0;
  readonly #from: Screen;
  readonly #to: Screen;
  readonly #shown: number[] = [];
  readonly #line: RegExp;
  readonly #tick: RegExp;
  #ticks = 0;
  #undelivered = 0;

  constructor(from: Screen, to: Screen) {
    this.#from = from;
    this.#to = to;
    this.#line = new RegExp(`^${from.name}: line (\\d+)( \\.*)?$`);
    this.#tick = new RegExp(`^✓ ${to.name} has it\\.$`);
    to.onLine(({ text }) => {
      const number = this.#line.exec(text)?.[1];
      if (number !== undefined) this.#shown.push(Number(number));
    });
    from.onLine(({ text }) => {
      if (this.#tick.test(text)) this.#ticks += 1;
      if (text.includes("(not delivered)")) this.#undelivered += 1;
    });
  }

  async type(bytes = 0): Promise<void> {
    const line = `line ${++this.typed}`;
    await this.#from.type(bytes > line.length ? `${line} ${".".repeat(bytes - line.length - 1)}` : line);
  }

  /** Waits until a line is on the other screen; returns when it was first there. */
  async whenShown(number: number, withinMs?: number): Promise<number> {
    const pattern = new RegExp(`^${this.#from.name}: line ${number}( \\.*)?$`);
    return (await this.#to.waitFor(pattern, withinMs === undefined ? {} : { withinMs })).at;
  }

  /** Waits until every line typed has its tick. */
  async whenTicked(withinMs: number): Promise<void> {
    await this.#from.waitUntil(`${this.typed} ticks`, () => this.#ticks >= this.typed, withinMs);
  }

  faults(): string[] {
    const faults: string[] = [];
    const seen = new Set(this.#shown);
    const missing = Array.from({ length: this.typed }, (_, index) => index + 1).filter((n) => !seen.has(n));
    const twice = this.#shown.length - seen.size;
    const isInOrder = this.#shown.every((number, index) => index === 0 || number > this.#shown[index - 1]!);
    const lines = `${this.#from.name}'s lines`;
    if (missing.length > 0) {
      faults.push(`of ${this.typed} of ${lines} ${missing.length} never arrived: ${missing.join(", ")}`);
    }
    if (twice > 0) faults.push(`${twice} of ${lines} arrived twice`);
    else if (!isInOrder) faults.push(`${lines} arrived out of order: ${this.#shown.join(", ")}`);
    if (this.#ticks > seen.size) {
      faults.push(`${this.#ticks} of ${lines} have ticks, and ${seen.size} arrived`);
    } else if (this.#ticks + this.#undelivered < this.typed) {
      faults.push(`${this.typed - this.#ticks - this.#undelivered} of ${lines} have no tick`);
    }
    return faults;
  }
}
