/**
 * What a client in the lab shows, line by line, and when it showed it.
 * @module
 */
import type { Program } from "../helpers/program.ts";

/** One line, and when it came, on the clock of `performance.now()`. */
export type ShownLine = {
  readonly text: string;
  readonly at: number;
};

/** Longer than any row lasts, in milliseconds. */
const FOLLOW_MS = 3_600_000;
/** How long a line may be waited for unless said otherwise, in milliseconds. */
const WAIT_MS = 30_000;

/** A row of the lab that went wrong; the message is a sentence without its period. */
export class RowError extends Error {
  override readonly name = "RowError";
}

/** The screen of one person. */
export class Screen {
  /** Whose screen it is. */
  readonly name: string;
  /** The client. */
  readonly program: Program;
  /** What it has shown so far, oldest first, without its prompt. */
  readonly lines: ShownLine[] = [];
  readonly #listeners = new Set<(line: ShownLine) => void>();
  readonly #ended = Promise.withResolvers<never>();

  /** Reads from now on. */
  constructor(name: string, program: Program) {
    this.name = name;
    this.program = program;
    this.#ended.promise.catch(() => {}); // whoever waits for a line hears of it
    this.#follow();
  }

  /** Types one line. */
  async type(text: string): Promise<void> {
    await this.program.writeLine(text);
  }

  /**
   * Waits for a line, or finds it among those shown already.
   *
   * @param options.since Lines before this moment do not count; all do by default.
   * @param options.withinMs How long to wait; 30 s by default.
   * @throws {RowError} It did not come.
   */
  async waitFor(
    pattern: RegExp,
    options: { readonly since?: number; readonly withinMs?: number } = {},
  ): Promise<{ readonly match: RegExpExecArray; readonly at: number }> {
    const { since = 0, withinMs } = options;
    const find = () => this.lines.find(({ text, at }) => at >= since && pattern.test(text));
    await this.waitUntil(`a line like ${pattern}`, () => find() !== undefined, withinMs);
    const { text, at } = find()!;
    return { match: pattern.exec(text)!, at };
  }

  /**
   * Waits until something holds that changes with the lines on this screen.
   *
   * @param what What is waited for, for the failure.
   * @throws {RowError} It did not come to hold.
   */
  async waitUntil(what: string, holds: () => boolean, withinMs = WAIT_MS): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => void (holds() && resolve());
    this.#listeners.add(look);
    const timer = setTimeout(
      () => reject(new RowError(`${this.name}'s screen did not show ${what} within ${withinMs / 1000} s`)),
      withinMs,
    );
    look();
    try {
      await Promise.race([promise, this.#ended.promise]);
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(look);
    }
  }

  /** Tells of each line from now on. */
  onLine(listener: (line: ShownLine) => void): void {
    this.#listeners.add(listener);
  }

  async #follow(): Promise<void> {
    try {
      for (;;) {
        const [line] = await this.program.waitForLine(/^.*$/, FOLLOW_MS);
        const shown = { text: line.replace(new RegExp(`^(${this.name}> ?)+`), ""), at: performance.now() };
        this.lines.push(shown);
        for (const listener of [...this.#listeners]) listener(shown);
      }
    } catch {
      this.#ended.reject(new RowError(`${this.name}'s client ended`));
    }
  }
}
