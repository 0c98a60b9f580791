/**
 * The outbox at work in the background, while a client runs.
 * @module
 */
import { sleep } from "../waiting.ts";
import type { Outbox } from "./outbox.ts";
import type { OutboxEntry, SendOutcome } from "./outbox_entry.ts";

/** Longest time without a look, milliseconds: another process may have added a mail, or the machine slept. */
const LONGEST_PAUSE_MS = 60_000;

export interface OutboxRunnerOptions {
  readonly signal: AbortSignal;
  readonly onOutcome: (entry: OutboxEntry, outcome: SendOutcome) => void;
  /** Called when the disk fails; the runner goes on. */
  readonly onFault: (error: unknown) => void;
  /** Waits, or ends early when the signal fires; never throws. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly now?: () => number;
}

/** Sends what is due until the signal fires: at once, then each time that a pause is over. */
export async function runOutbox(outbox: Outbox, options: OutboxRunnerOptions): Promise<void> {
  const { signal } = options;
  const wait = options.wait ?? ((ms, signal) => sleep(ms, signal).catch(() => {}));
  const now = options.now ?? Date.now;
  while (!signal.aborted) {
    let pauseMs = LONGEST_PAUSE_MS;
    try {
      const next = await outbox.sendDue({ signal, onOutcome: options.onOutcome });
      if (next !== null) pauseMs = Math.min(Math.max(next - now(), 0), LONGEST_PAUSE_MS);
    } catch (error) {
      options.onFault(error);
    }
    if (signal.aborted) return;
    await wait(pauseMs, signal);
  }
}
