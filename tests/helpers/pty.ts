/**
 * A program on a real pseudo-terminal, with somebody who types (by `on_pty.py`, so it needs python3).
 * @module
 */
import { fileURLToPath } from "node:url";
import { runProgram } from "./program.ts";

/** What is done next at the terminal: wait for text, press keys, send a signal, or change the window's size. */
export type Step =
  | { readonly wait: string }
  | { readonly keys: string }
  | { readonly signal: string }
  | { readonly resize: readonly [columns: number, rows: number] };

/** How it ended. */
export interface PtyResult {
  /** Everything that was written to the terminal, escape sequences and all. */
  readonly output: string;
  /** Exit code; negative when a signal ended it. */
  readonly code: number;
  /** How the program left the terminal. */
  readonly modes: { readonly echo: boolean; readonly canonical: boolean };
}

/**
 * Runs a program on a terminal of this size, doing these steps one after the other.
 *
 * @throws {Error} a step could not be done in time; the message has all output.
 */
export async function runOnPty(
  argv: readonly string[],
  steps: readonly Step[],
  options: { readonly size?: readonly [number, number]; readonly env?: Record<string, string> } = {},
): Promise<PtyResult> {
  const { size = [80, 24], env = {} } = options;
  const script = fileURLToPath(new URL("on_pty.py", import.meta.url));
  const { code, stdout, stderr } = await runProgram("python3", [script], {
    env: { TERM: "xterm-256color", ...env },
    input: JSON.stringify({ argv, size, steps }),
    timeoutMs: 60_000,
  });
  if (code !== 0) throw new Error(stderr);
  const result = JSON.parse(stdout) as PtyResult & { timedOut: boolean; stepsLeft: number };
  if (result.timedOut || result.stepsLeft > 0) {
    const next = JSON.stringify(steps.at(-result.stepsLeft)).slice(0, 200);
    throw new Error(`Stopped before the step ${next}; the terminal showed:\n${result.output.slice(-4000)}`);
  }
  return result;
}
