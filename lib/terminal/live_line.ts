// Lines that change: a status, a progress bar, a line of a chat that waits for its tick. Where nothing can be redrawn
// (a pipe, `TERM=dumb`), only their last state is printed, and of a status each different text.
import { formatBytes } from "../bytes.ts";
import { columnsOf, cutToColumns } from "./width.ts";

export interface LiveLine extends Disposable {
  /** Shows another text; may hold colours, one line. Without effect after the end. */
  update(text: string): void;
  /** Prints the text for good, its own or the one given, and ends the line. */
  commit(text?: string): void;
  remove(): void;
}

export interface StatusHost {
  readonly isInteractive: boolean; // whether lines can be redrawn
  liveLine(text: string): LiveLine;
  printAbove(line: string): void;
}

/** One changing line whose text is replaced; where nothing can be redrawn, each different text is printed. */
export class StatusLine {
  readonly #host: StatusHost;
  #line: LiveLine | undefined; // set while it is shown
  #text = "";

  constructor(host: StatusHost) {
    this.#host = host;
  }

  show(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    if (!this.#host.isInteractive) {
      if (text !== "") this.#host.printAbove(text);
    } else if (text === "") {
      this.#line?.remove();
      this.#line = undefined;
    } else {
      this.#line ??= this.#host.liveLine(text);
      this.#line.update(text);
    }
  }
}

export interface ProgressOptions {
  /** What goes on, such as `Sending photo.jpg`; shown before the bar, made safe by the caller. */
  readonly label: string;
  /** The whole; unset or 0 where it is not known, then there is no bar. */
  readonly total?: number;
  /** `bytes` shows 1.5 MB and a speed; `items` plain numbers. `bytes` by default. */
  readonly unit?: "bytes" | "items";
  /** What was done before, in an earlier run: counts for the bar, not for the speed. 0 by default. */
  readonly start?: number;
}

const REDRAW_MS = 100; // milliseconds between two pictures of a bar
const SPEED_WINDOW_MS = 5_000; // speed is measured over this many milliseconds
const BAR_COLUMNS = 20;
const MOST_DAYS = 99; // that are said to be left

export class ProgressBar implements Disposable {
  readonly #line: LiveLine;
  readonly #options: ProgressOptions;
  readonly #now: () => number;
  readonly #columns: () => number;
  #samples: { at: number; done: number }[];
  #done: number;
  #shownAt = -Infinity;

  constructor(line: LiveLine, options: ProgressOptions, columns: () => number, now: () => number) {
    this.#line = line;
    this.#options = options;
    this.#columns = columns;
    this.#now = now;
    this.#done = options.start ?? 0;
    this.#samples = [{ at: now(), done: this.#done }];
    this.update(this.#done);
  }

  /** Says how much is done now, in all. May be called as often as liked: it is shown ten times a second at most. */
  update(done: number): void {
    this.#done = done;
    const at = this.#now();
    const isLast = this.#options.total !== undefined && done >= this.#options.total;
    if (at - this.#shownAt < REDRAW_MS && !isLast) return;
    this.#shownAt = at;
    this.#samples.push({ at, done });
    while (this.#samples.length > 2 && at - this.#samples[0]!.at > SPEED_WINDOW_MS) this.#samples.shift();
    this.#line.update(this.#picture());
  }

  finish(text?: string): void {
    this.#line.commit(text ?? `${this.#options.label}: ${this.#amount(this.#done)}`);
  }

  remove(): void {
    this.#line.remove();
  }

  [Symbol.dispose](): void {
    this.#line.remove();
  }

  #picture(): string {
    const { total } = this.#options;
    const speed = this.#speed();
    const pace = speed > 0 ? `${this.#amount(speed)}/s` : "";
    if (total === undefined || total <= 0) return this.#fitted([this.#amount(this.#done), pace], [1]);
    const share = Math.max(0, Math.min(1, this.#done / total));
    const left = speed > 0 && total > this.#done ? (total - this.#done) / speed : Infinity;
    const amount = `${this.#amount(this.#done)} of ${this.#amount(total)}`;
    return this.#fitted([bar(share), `${Math.floor(share * 100)} %`, amount, pace, timeLeft(left)], [
      0,
      3,
      2,
      4,
    ]);
  }

  /** Label and parts in one row; where it is too narrow, parts are left out in the order given, then the label is cut. */
  #fitted(parts: readonly string[], dispensable: readonly number[]): string {
    const room = Math.max(1, this.#columns() - 1);
    const kept = [...parts];
    const join = () => kept.filter((part) => part !== "").join("  ");
    for (const index of dispensable) {
      if (columnsOf(this.#options.label) + 2 + columnsOf(join()) <= room) break;
      kept[index] = "";
    }
    const tail = join();
    const forLabel = room - columnsOf(tail) - 2;
    return forLabel < 4 ? tail : `${cutToColumns(this.#options.label, forLabel)}  ${tail}`;
  }

  /** Units per second, over the last few seconds. */
  #speed(): number {
    const first = this.#samples[0]!;
    const last = this.#samples.at(-1)!;
    const seconds = (last.at - first.at) / 1000;
    return seconds > 0 ? Math.max(0, last.done - first.done) / seconds : 0;
  }

  #amount(count: number): string {
    return this.#options.unit === "items" ? String(Math.round(count)) : formatBytes(count);
  }
}

function bar(share: number): string {
  const filled = Math.floor(share * BAR_COLUMNS);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_COLUMNS - filled)}]`;
}

/** Nothing where it says no more than that nobody waits for it. */
function timeLeft(seconds: number): string {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (whole < 60) return `${whole} s left`;
  if (minutes < 60) return `${minutes} min ${whole % 60} s left`;
  if (days < 2) return `${hours} h ${minutes % 60} min left`;
  return days <= MOST_DAYS ? `${days} days left` : "";
}
