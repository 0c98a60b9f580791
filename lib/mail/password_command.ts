import { messageOf } from "../errors.ts";
import { MailError } from "./mail_error.ts";

const COMMAND_TIMEOUT_MS = 120_000; // milliseconds; a password manager may ask for its own password first

/**
 * Runs a command through the system's shell and takes the first line that it prints.
 * @param canAsk Whether its standard input and standard error are the terminal's, so that it can ask for what it needs.
 * @throws {MailError} `secret_missing` when it fails, prints nothing, or takes too long. Never holds what it printed.
 */
export async function readPasswordCommand(command: string, canAsk = true): Promise<string> {
  const [program, ...flags] = Deno.build.os === "windows"
    ? ["cmd", "/d", "/s", "/c"] as const
    : ["sh", "-c"] as const;
  const signal = AbortSignal.timeout(COMMAND_TIMEOUT_MS);
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, {
      args: [...flags, command],
      stdin: canAsk ? "inherit" : "null",
      stdout: "piped",
      stderr: canAsk ? "inherit" : "null",
      signal,
    }).output();
  } catch (error) {
    throw failed(`could not be run: ${messageOf(error)}`, error);
  }
  if (signal.aborted) {
    throw failed(`took longer than ${COMMAND_TIMEOUT_MS / 1000} seconds: run it by hand to see why`);
  }
  if (!output.success) throw failed(`ended with status ${output.code}: run it by hand to see why`);
  const [line = ""] = new TextDecoder().decode(output.stdout).split(/\r?\n/);
  if (line === "") throw failed("printed nothing: run it by hand to see why");
  return line;
}

function failed(how: string, cause?: unknown): MailError {
  return new MailError("secret_missing", `The password command ${how}`, { cause });
}
