/**
 * TCP_NODELAY by way of the system's own library, and the permission for that.
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";

const PROGRAM = fileURLToPath(new URL("../helpers/no_delay_program.ts", import.meta.url));

async function run(...permissions: readonly string[]): Promise<unknown> {
  const flags = ["run", "-q", "--no-prompt", "--allow-net=127.0.0.1", ...permissions, PROGRAM];
  const { code, stdout, stderr } = await runProgram(Deno.execPath(), flags);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

testWith(["linux"], "setNoDelay() finds the listening socket, and gives the permission up", async () => {
  assert.deepEqual(await run("--allow-ffi"), {
    isSet: true,
    isSetAgain: true,
    isSetOnNothing: false,
    state: "prompt",
    opened: "NotCapable",
  });
});

testWith(["linux"], "setNoDelay() does nothing without the permission", async () => {
  assert.deepEqual(await run(), {
    isSet: false,
    isSetAgain: false,
    isSetOnNothing: false,
    state: "prompt",
    opened: "NotCapable",
  });
});
