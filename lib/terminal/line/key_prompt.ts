// One open prompt: keys go in, an answer comes out. Knows no screen.
import type { PromptView } from "../screen/picture.ts";
import type { Key } from "../keys/keys.ts";
import { LineEditor } from "./line_editor.ts";
import type { Completion, ReadLineOptions } from "../read_line.ts";
import { breakLines } from "../screen/break_lines.ts";
import { safeText } from "../safe_text.ts";

/** Longest typed text that stays on the screen in full once it is submitted, in UTF-16 code units. */
const MAX_REMAINING_LENGTH = 2_000;

export type PromptOutcome =
  | { readonly kind: "submitted"; readonly text: string }
  | { readonly kind: "interrupted"; readonly text: string }
  | { readonly kind: "ended" }
  | { readonly kind: "aborted"; readonly reason: unknown };

export interface PromptHost {
  changed(): void; // the text or the cursor changed
  clearScreen(): void; // Ctrl+L
  suspend(): void; // Ctrl+Z
  list(candidates: readonly string[]): void; // the second Tab: these are possible
}

export class KeyPrompt {
  readonly editor: LineEditor;
  readonly options: ReadLineOptions;
  readonly isSecret: boolean;
  readonly #host: PromptHost;
  readonly #answer = Promise.withResolvers<PromptOutcome>();
  #isDone = false;
  #lastWasTab = false;

  constructor(options: ReadLineOptions, isSecret: boolean, host: PromptHost) {
    this.options = options;
    this.isSecret = isSecret;
    this.#host = host;
    this.editor = new LineEditor({ ...options, multiline: options.multiline ?? !isSecret });
  }

  /** Fulfilled once it has ended; never rejected. */
  get outcome(): Promise<PromptOutcome> {
    return this.#answer.promise;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** What stays on the screen once it has ended; the question is broken at so many columns, as it was before. */
  remains(outcome: PromptOutcome, columns: number): string | undefined {
    if (this.options.after === "erase" || outcome.kind === "aborted") return undefined;
    let text = this.isSecret ? "" : this.editor.text;
    if (text.length > MAX_REMAINING_LENGTH) {
      text = `${text.slice(0, MAX_REMAINING_LENGTH).toWellFormed()}… (${text.length} characters)`;
    }
    return breakLines(this.view().prompt, columns) + safeText(text, { multiline: true }) +
      (outcome.kind === "interrupted" ? "^C" : "");
  }

  view(): PromptView {
    const { prompt, hint } = this.options;
    return {
      prompt: typeof prompt === "function" ? prompt() : prompt,
      editor: this.editor,
      isSecret: this.isSecret,
      hint: this.isSecret ? undefined : hint?.(this.editor.text),
    };
  }

  handle(key: Key): void {
    const wasTab = this.#lastWasTab;
    this.#lastWasTab = false;
    switch (this.editor.handle(key)) {
      case "changed":
        return this.#host.changed();
      case "submit":
        return this.end({ kind: "submitted", text: this.editor.text });
      case "interrupt":
        return this.interrupt();
      case "end":
        return this.end({ kind: "ended" });
      case "clear_screen":
        return this.#host.clearScreen();
      case "suspend":
        return this.#host.suspend();
      case "complete":
        this.#lastWasTab = true;
        return this.#complete(wasTab);
      case "none":
        return;
    }
  }

  interrupt(): void {
    this.end({ kind: "interrupted", text: this.isSecret ? "" : this.editor.text });
  }

  /** Ends it; only the first end counts. */
  end(outcome: PromptOutcome): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#answer.resolve(outcome);
  }

  #complete(isSecondTab: boolean): void {
    const { text, cursor } = this.editor;
    let completion: Completion | Promise<Completion>;
    try {
      completion = this.options.complete!(text.slice(0, cursor));
    } catch {
      return; // completion is a courtesy: where it fails, Tab does nothing
    }
    if (!(completion instanceof Promise)) return this.#take(completion, isSecondTab);
    completion.then((late) => {
      // Typed on meanwhile: what was asked for is no longer what is there.
      if (!this.#isDone && this.editor.text === text && this.editor.cursor === cursor) {
        this.#take(late, isSecondTab);
      }
    }, () => {});
  }

  #take(completion: Completion, isSecondTab: boolean): void {
    const result = this.editor.complete(completion);
    if (result === "inserted") this.#host.changed();
    if (result === "ambiguous" && isSecondTab) this.#host.list(completion.candidates);
  }
}
