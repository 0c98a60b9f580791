/**
 * Where the Deno that runs the tests keeps what it has fetched.
 * @module
 */
import { runProgram } from "./program.ts";

/** Absolute path of Deno's own cache folder. */
export async function denoCache(): Promise<string> {
  const { stdout } = await runProgram(Deno.execPath(), ["info", "--json"]);
  return (JSON.parse(stdout) as { denoDir: string }).denoDir;
}
