/**
 * What the store's thread and its client say to each other.
 *
 * Errors lose their class on the way between threads, so they travel as plain data.
 * @module
 */
import { ChatError, type ErrorCode, UsageError } from "../errors.ts";
import type { Call, Outcome } from "./batch.ts";
import type { StoreLimits } from "./server_store.ts";

/** What the client asks. Each is answered once; batches are answered in order. */
export type StoreRequest =
  | { readonly type: "open"; readonly path: string; readonly limits: Partial<StoreLimits> }
  | { readonly type: "run"; readonly calls: readonly Call[]; readonly now: number }
  | { readonly type: "backup"; readonly path: string }
  | { readonly type: "close" };

/** What the thread answers. */
export type StoreReply =
  | { readonly type: "opened"; readonly error?: PlainError }
  | { readonly type: "ran"; readonly outcomes: readonly PlainOutcome[] }
  | { readonly type: "backed_up"; readonly path: string; readonly error?: PlainError }
  | { readonly type: "closed" };

/** An outcome as it travels. */
export type PlainOutcome = { readonly result: unknown } | { readonly error: PlainError };

/** An error as it travels. */
export interface PlainError {
  /** `ChatError`, `UsageError`, or whatever else was thrown. */
  readonly name: string;
  /** For people. */
  readonly message: string;
  /** Only of a `ChatError`. */
  readonly code?: ErrorCode;
  /** Only of a `ChatError` after which waiting helps. */
  readonly retryAfterMs?: number;
  /** For the log: where it was thrown, with its causes. */
  readonly details: string;
}

/** Makes an outcome ready to travel. */
export function packOutcome(outcome: Outcome): PlainOutcome {
  return "error" in outcome ? { error: packError(outcome.error) } : outcome;
}

/** Turns what arrived into an outcome again. */
export function unpackOutcome(outcome: PlainOutcome): Outcome {
  return "error" in outcome ? { error: unpackError(outcome.error) } : outcome;
}

/** Makes an error ready to travel. */
export function packError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), details: String(error) };
  const { name, message } = error;
  const plain = { name, message, details: Deno.inspect(error) };
  if (!(error instanceof ChatError)) return plain;
  const { code, retryAfterMs } = error;
  return retryAfterMs === undefined ? { ...plain, code } : { ...plain, code, retryAfterMs };
}

/** Turns what arrived into an error of its class again; its cause is what the thread's log would have shown. */
export function unpackError(plain: PlainError): Error {
  const cause = plain.details;
  if (plain.code !== undefined) {
    const { retryAfterMs } = plain;
    // A refusal is no fault: nobody needs to know where in the thread it was decided.
    if (plain.code !== "unavailable") return new ChatError(plain.code, plain.message);
    return new ChatError(plain.code, plain.message, {
      cause,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (plain.name === "UsageError") return new UsageError(plain.message);
  return new Error(plain.message, { cause });
}
