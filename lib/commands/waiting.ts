/**
 * Waiting for the network where somebody sits: a line says for what, and Ctrl+C calls it off.
 * @module
 */
import { Interrupt } from "../terminal/interrupt.ts";
import type { App } from "./app.ts";

/** What is over sooner needs no line, in milliseconds: less than people take for a pause. */
const SHOWN_AFTER_MS = 300;

/**
 * Waits for something that may take long, or for ever. A script whose output a program reads shows nothing.
 *
 * @param what What is done, such as `Connecting to chat.example.org`; made safe by the caller.
 * @param work Does it, and rejects with the signal's reason soon after that is aborted.
 * @throws {Interrupt} at Ctrl+C, if the work rejects with the signal's reason.
 */
export async function waitFor<Result>(
  app: App,
  what: string,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { terminal } = app;
  const stop = new AbortController();
  if (app.isScript && !terminal.isInteractive) return await work(stop.signal);
  using _interrupt = terminal.onInterrupt(() => stop.abort(new Interrupt()));
  const timer = setTimeout(() => terminal.status(`${what}… (Ctrl+C stops)`), SHOWN_AFTER_MS);
  try {
    return await work(stop.signal);
  } finally {
    clearTimeout(timer);
    terminal.status("");
  }
}
