/**
 * The subcommand `email` as a script runs it, at somebody's desk.
 * @module
 */
import { Command, CommanderError } from "commander";
import { withExitCode } from "../../lib/commands/email/once.ts";
import { addEmailCommand } from "../../lib/commands/email/program.ts";
import type { EmailDesk } from "./email_desk.ts";

/** Runs `email …` as a script does: what it printed, what it complained of, and its exit code. */
export async function emailScript(desk: EmailDesk, args: readonly string[], input = "") {
  const errors: string[] = [];
  const before = desk.tty.screen.written.length;
  let code = 0;
  let help = ""; // printed by the program itself
  const program = new Command("mini-chat-client").exitOverride().enablePositionalOptions().configureOutput({
    writeOut: (text) => void (help += text),
    writeErr: (text) => void errors.push(text),
  });
  addEmailCommand(program, async (work) => {
    code = await withExitCode({
      parts: desk.parts,
      readInput: () => Promise.resolve(input),
      printError: (line) => void errors.push(line),
      signal: new AbortController().signal,
    }, work);
  });
  try {
    await program.parseAsync(["email", ...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    code = error.exitCode === 0 ? 0 : 2;
  }
  await desk.tty.terminal.flush();
  return { code, out: help + desk.tty.screen.written.slice(before), errors: errors.join("\n") };
}
