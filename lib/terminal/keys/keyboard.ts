// Brings keys to the prompt that is open, and keeps those that nobody wants yet. Reads only while a prompt is open.
import type { InputSource } from "./input_source.ts";
import type { AttentionState } from "../line/attention.ts";
import type { KeyPrompt } from "../line/key_prompt.ts";
import { type Key, KeyDecoder } from "./keys.ts";

export interface KeyboardHost extends AttentionState {
  /** The terminal says where its cursor is, as `ROW;COLUMN` counted from 1. */
  located(position: string): void;
  /** Somebody pressed a key. */
  typed(): void;
  focused(isIn: boolean): void;
}

export class Keyboard {
  readonly #source: InputSource;
  readonly #host: KeyboardHost;
  readonly #decoder = new KeyDecoder();
  #keys: Key[] = []; // typed, not yet wanted
  #isPumping = false;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: InputSource, host: KeyboardHost) {
    this.#source = source;
    this.#host = host;
  }

  /** Feeds the prompt on top, and those opened meanwhile, until there is none or the keyboard is lent. */
  async pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (!this.#host.isSuspended()) {
        const prompt = this.#host.prompt();
        if (prompt === undefined) return;
        if (prompt.isDone) {
          // Its caller has yet to take the answer, and may open the next prompt: that one gets the next key.
          await prompt.outcome;
          continue;
        }
        const key = this.#keys.shift();
        if (key === undefined) await this.#read(prompt);
        else if (key.name === "position") this.#host.located(key.text);
        else if (key.name === "focus") this.#host.focused(key.text === "in");
        else {
          this.#host.typed();
          prompt.handle(key);
        }
      }
    } finally {
      this.#isPumping = false;
    }
  }

  close(): void {
    clearTimeout(this.#flushTimer);
  }

  async #read(prompt: KeyPrompt): Promise<void> {
    const bytes = await Promise.race([this.#source.peek(), prompt.outcome.then(() => undefined)]);
    if (bytes === undefined) return;
    if (bytes === null) return prompt.end({ kind: "ended" });
    this.#source.take();
    this.#keys.push(...this.#decoder.push(bytes));
    clearTimeout(this.#flushTimer);
    if (this.#decoder.waitMs > 0) this.#flushTimer = setTimeout(() => this.#flush(), this.#decoder.waitMs);
  }

  #flush(): void {
    for (const key of this.#decoder.flush()) {
      const prompt = this.#host.prompt();
      if (prompt === undefined || prompt.isDone || this.#keys.length > 0) this.#keys.push(key);
      else prompt.handle(key);
    }
  }
}
