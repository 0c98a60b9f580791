/**
 * What the tools share: where the project is, how to say something, and how to run this same Deno again.
 *
 * A tool never looks for `deno` on PATH: started by `npx`, there may be none.
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the project's top folder. */
export const PROJECT_FOLDER = dirname(dirname(fileURLToPath(import.meta.url)));

/** Writes one line to standard output. */
export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

/** Writes one line to standard error. */
export function complain(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}

/** Runs a tool's work to its end: what it throws is said in words, without a stack, and exits with 1. */
export async function runTool(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}

/**
 * Runs the Deno that runs this tool, in the project's folder, with this process's input and outputs.
 *
 * @param args Arguments after `deno`.
 * @param env Variables set on top of this process's.
 * @param output `after`: what it says is shown once it has ended, so that it can run beside another. `inherit` by default.
 * @returns The exit code.
 */
export async function runDeno(
  args: readonly string[],
  env: Record<string, string> = {},
  output: "inherit" | "after" = "inherit",
): Promise<number> {
  const said = output === "inherit" ? "inherit" : "piped";
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: PROJECT_FOLDER,
    env,
    stdin: "inherit",
    stdout: said,
    stderr: said,
  }).spawn();
  if (output === "inherit") return (await child.status).code;
  const { code, stdout, stderr } = await child.output();
  for (const text of [stdout, stderr]) say(new TextDecoder().decode(text).trimEnd());
  return code;
}
