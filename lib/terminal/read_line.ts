import type { TypedLines } from "./typed_lines.ts";

export interface Completion {
  /** Where the word that the candidates replace begins, as an index into the text up to the cursor. */
  readonly from: number;
  /** Whole words, each with what should follow it (usually a space). */
  readonly candidates: readonly string[];
}

export type Completer = (beforeCursor: string) => Completion | Promise<Completion>;

/** How to ask for a line. Where there is no real terminal, only `prompt`, `initial`, `submitsWhen` and `signal` count. */
export interface ReadLineOptions {
  /** What stands before the text; may hold colours. A function is asked again whenever the line is redrawn. */
  readonly prompt: string | (() => string);
  /** Lines for the arrow keys and Ctrl+R. The line read is added by the caller, who knows whether it may be. */
  readonly typedLines?: TypedLines;
  readonly complete?: Completer;
  /** Text to begin with; without a real terminal, the answer that an empty line stands for. */
  readonly initial?: string;
  /** Whether Alt+Enter and pasted line ends make several lines. True by default. */
  readonly multiline?: boolean;
  /** When Enter ends the text, otherwise it begins a new line. Always by default. */
  readonly submitsWhen?: (text: string, cursor: number) => boolean;
  /** One faint line beneath, from the text typed so far: a check, an explanation. */
  readonly hint?: (text: string) => string | undefined;
  /** Whether the line typed stays on the screen once it is finished. `keep` by default. */
  readonly after?: "keep" | "erase";
  /** Takes the prompt back: `readLine` is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Ctrl+C at a prompt. Not a failure: it unwinds to the menu, which says nothing more than that it stopped. */
export class Interrupt extends Error {
  override readonly name = "Interrupt";
  readonly text: string; // what had been typed, to be kept as a draft; empty for secrets

  constructor(text = "") {
    super("Interrupted by Ctrl+C");
    this.text = text;
  }
}
