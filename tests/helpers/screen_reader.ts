/**
 * A person who reads a fake screen and answers what it asks.
 * @module
 */
import assert from "node:assert/strict";
import type { FakeTerminal } from "./fake_terminal.ts";

/** How long a text may take to appear before the test fails, in milliseconds. */
const APPEARS_WITHIN_MS = 10_000;

/** Reads from where the last look ended. */
export class ScreenReader {
  readonly #tty: FakeTerminal;
  #seen = ""; // what earlier looks have read; a line that was taken away since counts no more

  constructor(tty: FakeTerminal) {
    this.#tty = tty;
  }

  /** Waits until a text appears behind what earlier looks saw. */
  async sees(text: string, withinMs = APPEARS_WITHIN_MS): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (true) {
      const now = this.#tty.screen.text();
      const from = commonStart(this.#seen, now);
      const at = now.indexOf(text, from);
      if (at >= 0) {
        this.#seen = now.slice(0, at + text.length);
        return;
      }
      assert.ok(Date.now() < deadline, `never appeared: ${text}\n--- on the screen:\n${now.slice(from)}`);
      await this.#tty.settle();
    }
  }

  /** Answers questions in order: waits for each, then types its answer and Enter. */
  async answers(...exchange: readonly (readonly [question: string, answer: string])[]): Promise<void> {
    for (const [question, answer] of exchange) {
      await this.sees(question);
      this.#tty.type(`${answer}\r`);
    }
  }
}

/** How much two texts have in common at their beginning. */
function commonStart(one: string, other: string): number {
  if (other.startsWith(one)) return one.length;
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}
