// Prompts where nothing can be redrawn: a pipe, or a terminal that is `dumb`. Lines in, lines out, no escape sequence.
// The prompt opened last gets the next line; lines that come while nobody asks stay in the input.
import type { InputSource } from "../keys/input_source.ts";
import type { TerminalInput } from "../io.ts";
import type { KeyPrompt, PromptOutcome } from "./key_prompt.ts";
import { KeyDecoder } from "../keys/keys.ts";
import { safeText } from "../safe_text.ts";
import { printable } from "../style.ts";
import { unlessAborted } from "../../waiting.ts";

export class PlainPrompts {
  readonly #source: InputSource;
  readonly #input: TerminalInput;
  readonly #write: (piece: string) => void;
  readonly #echoes: boolean;
  #open: KeyPrompt[] = [];
  #shown: string | undefined; // the prompt at the end of the output, with no line end behind it
  #covered = new AbortController(); // aborted when the prompt that reads is no longer the last
  #isReading = false;
  #isHidden = false; // whether the keyboard is set to show nothing, for a secret

  constructor(
    source: InputSource,
    input: TerminalInput,
    write: (piece: string) => void,
    options: { readonly echoes: boolean },
  ) {
    this.#source = source;
    this.#input = input;
    this.#write = write;
    this.#echoes = options.echoes;
  }

  print(line: string): void {
    if (this.#shown === undefined) this.#write(line + "\n");
    else this.#write(`\n${line}\n${this.#shown}`);
  }

  open(prompt: KeyPrompt): void {
    if (this.#shown !== undefined) this.#write("\n");
    this.#shown = undefined;
    this.#open.push(prompt);
    this.#covered.abort();
    void this.#read();
  }

  /** Takes a prompt away that has ended; the one beneath asks again. */
  close(prompt: KeyPrompt, outcome: PromptOutcome): void {
    const wasTop = this.#open.at(-1) === prompt;
    this.#open = this.#open.filter((other) => other !== prompt);
    if (!wasTop) return;
    if (this.#shown !== undefined) {
      const echo = outcome.kind === "submitted" && this.#echoes && !prompt.isSecret ? prompt.editor.text : "";
      // On a terminal the Enter of the person has ended the line already, unless it was hidden.
      const isEnded = outcome.kind === "submitted" && this.#input.isTerminal() && !prompt.isSecret;
      if (!isEnded) this.#write(`${safeText(echo, { multiline: true })}\n`);
    }
    this.#shown = undefined;
    this.#covered.abort();
    void this.#read();
  }

  /** Hides what is typed while a secret is asked for, unless another program has the keyboard. */
  applyMode(isSuspended: boolean): void {
    if (!this.#input.isTerminal()) return;
    const hides = !isSuspended && this.#open.at(-1)?.isSecret === true;
    if (hides === this.#isHidden) return;
    this.#isHidden = hides;
    this.#input.setMode(hides ? "signals" : "lines");
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (true) {
        const prompt = this.#open.at(-1);
        if (prompt === undefined || prompt.isDone) return;
        this.#covered = new AbortController();
        if (this.#shown === undefined) this.#show(prompt);
        this.applyMode(false);
        try {
          await this.#readFor(prompt);
        } catch (error) {
          if (!this.#covered.signal.aborted) prompt.end({ kind: "aborted", reason: error });
        }
      }
    } finally {
      this.#isReading = false;
    }
  }

  #show(prompt: KeyPrompt): void {
    const { initial, submitsWhen } = prompt.options;
    const text = printable(prompt.view().prompt, false);
    const offer = initial === undefined || initial === "" || submitsWhen !== undefined
      ? ""
      : `[${safeText(initial)}] `;
    this.#shown = text + offer;
    this.#write(this.#shown);
  }

  async #readFor(prompt: KeyPrompt): Promise<void> {
    const hides = prompt.isSecret && this.#input.isTerminal();
    const line =
      await (hides ? this.#hiddenLine(this.#covered.signal) : this.#source.line(this.#covered.signal));
    if (prompt.isDone) return;
    const { editor, options } = prompt;
    if (line === null) {
      return prompt.end(
        options.submitsWhen !== undefined && editor.text !== ""
          ? { kind: "submitted", text: editor.text }
          : { kind: "ended" },
      );
    }
    if (options.submitsWhen === undefined) {
      // An empty line stands for the answer that was offered.
      if (line !== "" || prompt.isSecret) editor.replace(line);
      return prompt.end({ kind: "submitted", text: editor.text });
    }
    editor.insert(line);
    if (options.submitsWhen(editor.text, editor.cursor)) {
      return prompt.end({ kind: "submitted", text: editor.text });
    }
    editor.insert("\n");
  }

  /** A line from a keyboard that shows nothing; Backspace and Ctrl+U work. */
  async #hiddenLine(signal: AbortSignal): Promise<string | null> {
    const decoder = new KeyDecoder();
    let text = "";
    while (true) {
      // A prompt that has ended takes nothing from the next one.
      const bytes = await unlessAborted(signal, this.#source.peek());
      if (bytes === null) return null;
      const end = bytes.findIndex((byte) => byte === 0x0d || byte === 0x0a);
      const piece = this.#source.take(end < 0 ? bytes.length : end + 1);
      for (const key of decoder.push(piece)) {
        if (key.name === "enter") return text;
        if (key.name === "backspace") text = Array.from(text).slice(0, -1).join("");
        else if (key.name === "paste" || (key.name === "text" && !key.ctrl && !key.alt)) text += key.text;
        else if (key.ctrl && key.text === "u") text = "";
        else if (key.ctrl && key.text === "d" && text === "") return null;
      }
    }
  }
}
