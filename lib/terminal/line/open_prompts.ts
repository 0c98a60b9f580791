// The prompts that are open, one on top of the other: the last one is on the screen and gets what is typed, the others
// come back as they were.
import { Interrupt, type ReadLineOptions } from "../read_line.ts";
import { safeText } from "../safe_text.ts";
import { layOut } from "../width.ts";
import { KeyPrompt, type PromptHost, type PromptOutcome } from "./key_prompt.ts";

export interface PromptsHost extends PromptHost {
  /** The terminal was closed by its owner; prompts are refused then. */
  isClosed(): boolean;
  /** Aborted once a write has failed: then nobody can answer. */
  readonly output: { readonly closed: AbortSignal; readonly isFull: boolean; whenRoom(): Promise<void> };
  /** A prompt was put on top, or has ended and is taken away. */
  opened(prompt: KeyPrompt): void;
  ended(prompt: KeyPrompt, outcome: PromptOutcome): void;
}

export function listing(candidates: readonly string[], screenColumns: number): string {
  return layOut(candidates.map((candidate) => safeText(candidate.trimEnd())), screenColumns - 1);
}

export function closedError(): DOMException {
  return new DOMException("The terminal is closed", "AbortError");
}

export class OpenPrompts {
  readonly #host: PromptsHost;
  #prompts: readonly KeyPrompt[] = [];

  constructor(host: PromptsHost) {
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.#prompts.length === 0;
  }

  get top(): KeyPrompt | undefined {
    return this.#prompts.at(-1);
  }

  get shown(): KeyPrompt | undefined {
    return this.#prompts.findLast((open) => !open.isDone);
  }

  endAll(outcome: PromptOutcome): void {
    for (const prompt of this.#prompts) prompt.end(outcome);
  }

  ask(options: ReadLineOptions, isSecret: boolean): Promise<string | null> {
    const answer = this.#ask(options, isSecret);
    // A prompt that is open when the terminal closes may have lost its caller: that must not end the process badly.
    answer.catch(() => {});
    return answer;
  }

  async #ask(options: ReadLineOptions, isSecret: boolean): Promise<string | null> {
    const { signal } = options;
    const { output } = this.#host;
    signal?.throwIfAborted();
    if (output.closed.aborted) return null;
    if (this.#host.isClosed()) throw closedError();
    const prompt = new KeyPrompt(options, isSecret, this.#host);
    const abort = () => prompt.end({ kind: "aborted", reason: signal!.reason });
    signal?.addEventListener("abort", abort);
    // One that has failed ends the prompt as soon as it is open.
    if (output.isFull) await output.whenRoom().catch(() => prompt.end({ kind: "ended" }));
    this.#prompts = [...this.#prompts, prompt];
    this.#host.opened(prompt);
    const outcome = await prompt.outcome;
    signal?.removeEventListener("abort", abort);
    this.#prompts = this.#prompts.filter((other) => other !== prompt);
    this.#host.ended(prompt, outcome);
    switch (outcome.kind) {
      case "submitted":
        return outcome.text;
      case "ended":
        return null;
      case "interrupted":
        throw new Interrupt(outcome.text);
      case "aborted":
        throw outcome.reason;
    }
  }
}
