// deno-lint-ignore-file no-console -- the long form prints its tally
import assert from "node:assert/strict";
import { join } from "node:path";
import { addPeople } from "../helpers/population.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { FUZZ_SCALE, FUZZ_SEED } from "./fuzz.ts";
import { fuzzServer } from "./server_fuzz.ts";

/** Cases of the short form. */
const CASES = 1_500;

/** How much the server may grow between the first third of the cases and the end, in MiB. */
const MAX_GROWTH_MIB = 48;

Deno.test("the server takes hostile bytes in every stage, and nobody else notices", async () => {
  using folder = tempFolder();
  const people = await addPeople(folder.path, "f", 42);
  await using server = await startServer({
    data: folder.path,
    args: ["--max-connections-per-address", "200", "--sends-per-second", "100000", "--log-level", "info"],
  });
  const certificatePem = await Deno.readTextFile(join(folder.path, "server.crt"));
  const result = await fuzzServer({
    target: { port: server.port, certificatePem },
    pid: server.program.pid,
    people,
    seed: FUZZ_SEED,
    cases: Math.round(CASES * FUZZ_SCALE),
  }).catch((error) => {
    throw new Error(`Repeat with MINI_CHAT_FUZZ_SEED=${FUZZ_SEED}`, { cause: error });
  });
  assert.equal(await server.stop(), 0);
  assert.doesNotMatch(server.program.stderr, / (ERROR|FATAL|error|fatal) /);
  assert.ok(result.bystanderRequests > 0);
  assert.ok(result.longestWaitMs < 5_000, `a bystander waited ${result.longestWaitMs} ms`);
  const [early, late] = result.memoryKib;
  assert.ok(late - early < MAX_GROWTH_MIB * 1024, `the server grew from ${early} to ${late} KiB`);
  if (FUZZ_SCALE > 1) console.log({ seed: FUZZ_SEED, ...result });
});
