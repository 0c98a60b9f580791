// Standard output without a terminal on it. The entry files load this at every start, so it imports next to nothing.
import { messageOf, OutputError } from "../errors.ts";

/** Writes a text whole before it returns. Throws `OutputError` when the output does not take it. */
export function writeToOutput(text: string): void {
  try {
    for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
      rest = rest.subarray(Deno.stdout.writeSync(rest));
    }
  } catch (error) {
    throw outputError(error);
  }
}

export function outputError(cause: unknown): OutputError {
  return new OutputError(`Cannot write the output: ${whyNotWritten(cause)}`, { cause });
}

function whyNotWritten(cause: unknown): string {
  if (cause instanceof Deno.errors.BrokenPipe) return "nobody reads it any more";
  const code = (cause as { code?: unknown } | null)?.code;
  if (code === "ENOSPC" || code === "EDQUOT") return "the disk is full";
  if (code === "EIO") return "the terminal has gone";
  return messageOf(cause);
}
