// What a real terminal shows below the scrollback, and the string that brings it there. Writes nothing itself: it says
// when there is something new, and is asked for it when the output is ready.
import { NO_PICTURE, type Picture, PictureBuilder, type ScreenSize } from "./picture.ts";
import type { LiveLine } from "../live_line.ts";
import type { KeyPrompt } from "../line/key_prompt.ts";
import { Painter } from "./painter.ts";
import { withoutStyle } from "../style.ts";

export interface ScreenHost {
  size(): ScreenSize;
  prompt(): KeyPrompt | undefined;
  changed(): void;
}

/** A mode of the terminal that is on while it is wanted (DECSET, DECRST), and never when somebody else has the screen. */
class Mode {
  readonly #number: number;
  #isOn = false;
  wanted = false;

  constructor(number: number) {
    this.#number = number;
  }

  /** Somebody else has had the terminal, and may have switched it off. */
  forget(): void {
    this.#isOn = false;
  }

  /** What to write so that the terminal has it as wanted. */
  change(isHidden: boolean): string {
    const isOn = this.wanted && !isHidden;
    if (isOn === this.#isOn) return "";
    this.#isOn = isOn;
    return `\x1b[?${this.#number}${isOn ? "h" : "l"}`;
  }
}

const ASK_POSITION = "\x1b[6n";
/** Milliseconds in which a terminal says where its cursor is; over a slow line it is drawn again without the answer. */
const POSITION_WAIT_MS = 200;

export class Screen {
  readonly #host: ScreenHost;
  readonly #useColor: boolean;
  readonly #painter = new Painter();
  readonly #builder = new PictureBuilder();
  #builtFor: KeyPrompt | undefined;
  #live: { readonly text: string }[] = [];
  #isHidden = false;
  #mustClear = false;
  readonly #paste = new Mode(2004); // pasted text comes between marks
  readonly #focus = new Mode(1004); // the terminal says when it gets or loses the focus
  #alerts = ""; // not written yet
  // While a terminal is asked where its cursor is, nothing is painted.
  #questions = 0; // asked and not answered
  #mustAsk = false;
  #answerTimer: ReturnType<typeof setTimeout> | undefined;
  #linesMeanwhile: string[] = [];
  #isBack = false; // from a stop: where the cursor is tells whether a shell has written below

  constructor(host: ScreenHost, useColor: boolean) {
    this.#host = host;
    this.#useColor = useColor;
  }

  openLine(text: string, print: (text: string) => void): LiveLine {
    const line = { text };
    let isOpen = true;
    const end = (): boolean => {
      const wasOpen = isOpen;
      isOpen = false;
      this.#live = this.#live.filter((other) => other !== line);
      if (wasOpen) this.#host.changed();
      return wasOpen;
    };
    this.#live.push(line);
    this.#host.changed();
    return {
      update: (next) => {
        line.text = next;
        if (isOpen) this.#host.changed();
      },
      commit: (last) => {
        if (end()) print(last ?? line.text);
      },
      remove: () => void end(),
      [Symbol.dispose]: () => void end(),
    };
  }

  /** Clears the whole screen at the next picture (Ctrl+L). */
  clear(): void {
    this.#mustClear = true;
    this.#host.changed();
  }

  markPastes(wants: boolean): void {
    this.#want(this.#paste, wants);
  }

  reportFocus(wants: boolean): void {
    this.#want(this.#focus, wants);
  }

  /** Has a sequence written that leaves no trace on the screen. */
  alert(sequence: string): void {
    this.#alerts += sequence;
    this.#host.changed();
  }

  hide(isHidden: boolean): void {
    this.#isHidden = isHidden;
    this.#host.changed();
  }

  /** The process goes on after a stop. @param canAsk See {@linkcode resized}. */
  continued(canAsk: boolean): void {
    for (const mode of [this.#paste, this.#focus]) mode.forget();
    this.#isBack = true;
    // One row is drawn where the cursor is, in either case.
    if (!canAsk || this.#painter.isOneRow) this.#goOn();
    else this.#ask();
  }

  /** @param canAsk Whether the keyboard is read, so that the terminal can answer where its cursor is. */
  resized(canAsk: boolean): void {
    const size = this.#host.size();
    if (canAsk && (this.#isBack || this.#painter.isUnsureAt(size))) this.#ask();
    else this.#goOn();
  }

  /** Takes the terminal's answer, `ROW;COLUMN` counted from 1. */
  located(position: string): void {
    if (this.#questions > 0) this.#questions -= 1;
    // An answer to an older question tells of an older size.
    if (this.#questions > 0 || this.#mustAsk || this.#answerTimer === undefined) return;
    this.#goOn(Number(position.split(";")[1]) - 1);
  }

  /** What to write now, with new lines for good above all that changes. */
  render(newLines: readonly string[]): string {
    this.#linesMeanwhile.push(...newLines);
    if (this.#answerTimer !== undefined) {
      if (!this.#mustAsk) return "";
      this.#mustAsk = false;
      this.#questions += 1;
      return ASK_POSITION;
    }
    const lines = this.#linesMeanwhile;
    this.#linesMeanwhile = [];
    const picture = this.#isHidden ? NO_PICTURE : this.#picture();
    let out = this.#paste.change(this.#isHidden) + this.#focus.change(this.#isHidden);
    if (!this.#isHidden) {
      out += this.#alerts;
      this.#alerts = "";
    }
    if (this.#mustClear) {
      this.#mustClear = false;
      out += this.#painter.clear(NO_PICTURE);
    }
    return out + this.#painter.paint(picture, lines);
  }

  /** What to write to leave the screen at once; empty where there is nothing to put right. */
  leave(): string {
    this.close();
    this.#linesMeanwhile = [];
    return this.render([]);
  }

  close(): void {
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
    this.#live = [];
    this.#paste.wanted = this.#focus.wanted = false;
    this.#alerts = "";
    this.#isHidden = true;
    this.#host.changed();
  }

  #want(mode: Mode, wants: boolean): void {
    if (mode.wanted === wants) return;
    mode.wanted = wants;
    this.#host.changed();
  }

  #ask(): void {
    this.#mustAsk = true;
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => this.#goOn(), POSITION_WAIT_MS);
    this.#host.changed();
  }

  /** Draws again, at another width or after a stop. @param column Where the terminal says that its cursor is; unset where it does not. */
  #goOn(column?: number): void {
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
    this.#mustAsk = false;
    const size = this.#host.size();
    if (this.#isBack && !this.#painter.leftCursorAt(column, size)) this.#painter.forget();
    else this.#painter.resized(size, column);
    this.#isBack = false;
    this.#host.changed();
  }

  #picture(): Picture {
    const prompt = this.#host.prompt();
    if (prompt !== this.#builtFor) this.#builder.reset();
    this.#builtFor = prompt;
    const picture = this.#builder.build(
      this.#live.map((line) => line.text),
      prompt?.view(),
      this.#host.size(),
    );
    return this.#useColor ? picture : { ...picture, rows: picture.rows.map(withoutStyle) };
  }
}
