// News that may come faster than anybody reads: the first is told at once, each in a line; of the rest one line says how much more
// there was and from whom, at the bottom of the screen while it grows. A terminal stays usable that somebody else floods.
import type { LiveLine } from "../terminal/live_line.ts";
import { oneLine } from "../terminal/safe_text.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** So much of one person, and of all of them together, is told in this time, in milliseconds; faster is a flood. */
const WITHIN_MS = 5_000;
const MOST_OF_ONE = 5;
const MOST_OF_ALL = 10;

/** A flood is over when this time has brought nothing more, in milliseconds. */
const QUIET_MS = 1_000;

const LONGEST_NAME = 24; // in columns

interface FloodOptions {
  /** Says how many more there were, and from whom, such as `eve` or `eve and 3 others`. */
  readonly words: (more: number, from: string) => string;
  readonly now?: () => number; // milliseconds of a clock that never goes back; `performance.now` by default
  readonly quietMs?: number; // 1 s by default
}

export class Flood implements Disposable {
  readonly #terminal: Pick<Terminal, "printAbove" | "liveLine">;
  readonly #options: FloodOptions;
  readonly #now: () => number;
  #told: { readonly from: string; readonly at: number }[] = []; // of late
  readonly #counted = new Set<string>(); // whose news is counted now
  #more = 0; // counted, in all
  #moreBefore = 0; // the same when it was looked at last
  #only = ""; // the first of them
  #line: LiveLine | null = null; // there while something is counted
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(terminal: Pick<Terminal, "printAbove" | "liveLine">, options: FloodOptions) {
    this.#terminal = terminal;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Prints the line, or counts it. Returns whether it was printed. */
  tell(from: string, line: string): boolean {
    const now = this.#now();
    this.#told = this.#told.filter(({ at }) => now - at < WITHIN_MS);
    const ofOne = this.#told.filter((told) => told.from === from).length;
    if (!this.#counted.has(from) && ofOne < MOST_OF_ONE && this.#told.length < MOST_OF_ALL) {
      this.#told.push({ from, at: now });
      this.#terminal.printAbove(line);
      return true;
    }
    this.#counted.add(from);
    this.#more += 1;
    if (this.#more === 1) this.#only = line;
    this.#line ??= this.#terminal.liveLine("");
    this.#line.update(this.#words());
    this.#timer ??= setInterval(() => this.#look(), this.#options.quietMs ?? QUIET_MS);
    return false;
  }

  /** Takes away what was counted: the person has seen it. */
  forget(): void {
    this.#line?.remove();
    this.#end();
  }

  /** Says for good what was counted. */
  [Symbol.dispose](): void {
    this.#line?.commit(this.#words());
    this.#end();
  }

  #look(): void {
    if (this.#more === this.#moreBefore) this[Symbol.dispose]();
    else this.#moreBefore = this.#more;
  }

  #words(): string {
    if (this.#more === 1) return this.#only;
    const [first = ""] = this.#counted;
    const others = this.#counted.size - 1;
    const who = oneLine(first, LONGEST_NAME);
    const all = others === 0 ? who : `${who} and ${others === 1 ? "one other" : `${others} others`}`;
    return this.#options.words(this.#more, all);
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#line = null;
    this.#counted.clear();
    this.#more = this.#moreBefore = 0;
    this.#only = "";
  }
}
