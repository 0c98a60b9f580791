// What blocked people wrote before they were blocked: left out where new messages are shown, counted, and in the history.
import type { ChatClient } from "../../client/chat_client.ts";
import { ChatError, ConnectionError } from "../../errors.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { count } from "../../count.ts";

/** How long new messages wait for the list of whom one has blocked, in milliseconds. */
const LIST_WITHIN_MS = 3_000;

/** Messages of blocked people that are left out. */
export class LeftOut {
  readonly #blocked: ReadonlySet<string>;
  readonly #counts = new Map<string, number>();

  private constructor(blocked: ReadonlySet<string>) {
    this.#blocked = blocked;
  }

  static nothing(): LeftOut {
    return new LeftOut(new Set());
  }

  /** Asks whom the account has blocked. Without an answer nothing is left out. Throws the signal's reason once that is aborted. */
  static async of(client: ChatClient, signal?: AbortSignal): Promise<LeftOut> {
    try {
      const { names } = await client.call("list_blocked", {}, {
        timeoutMs: LIST_WITHIN_MS,
        ...(signal && { signal }),
      });
      return new LeftOut(new Set(names));
    } catch (error) {
      if (error instanceof ChatError || error instanceof ConnectionError) return LeftOut.nothing();
      throw error;
    }
  }

  /** Whether a message is left out; it is counted then. */
  has(from: string): boolean {
    if (!this.#blocked.has(from)) return false;
    this.#counts.set(from, (this.#counts.get(from) ?? 0) + 1);
    return true;
  }

  /** A line for each of the people, of what was left out since the last time. */
  lines(): string[] {
    const lines = [...this.#counts].map(([name, messages]) =>
      `${count(messages, "message")} of ${safeText(name)}, whom you have blocked: history ${safeText(name)}`
    );
    this.#counts.clear();
    return lines;
  }
}
