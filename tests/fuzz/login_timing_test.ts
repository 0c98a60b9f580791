// deno-lint-ignore-file no-console -- the long form prints its ratio
import assert from "node:assert/strict";
import { addPeople } from "../bench/population.ts";
import { median } from "../bench/report.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { Wire } from "../helpers/wire.ts";
import { FUZZ_SCALE } from "./fuzz.ts";

/** Pairs of logins that are compared in the short form: each costs two password hashes. */
const PAIRS = 3;

/** How far apart the two may be on a machine that others use too; without the same work they would be a hundredfold apart. */
const MAX_RATIO = 1.8;

Deno.test("an unknown name and a wrong password take the same time", async () => {
  using folder = tempFolder();
  const [person] = await addPeople(folder.path, "p", 1);
  await using server = await startServer({ data: folder.path, args: ["--failed-logins", "10000"] });
  await using wire = await Wire.greet(server.port);
  const login = async (name: string) => {
    const startedAt = performance.now();
    assert.equal(await wire.refused("login", { name, password: "not the right one" }), "unauthenticated");
    return performance.now() - startedAt;
  };
  await login("nobody");
  const known: number[] = [];
  const unknown: number[] = [];
  // In turn, so that what slows the machine slows both.
  for (let pair = 0; pair < PAIRS * Math.min(FUZZ_SCALE, 8); pair++) {
    known.push(await login(person!.name));
    unknown.push(await login(`nobody${pair}`));
  }
  const ratio = median(unknown) / median(known);
  assert.ok(ratio < MAX_RATIO && ratio > 1 / MAX_RATIO, `unknown name ÷ wrong password: ${ratio.toFixed(2)}`);
  if (FUZZ_SCALE > 1) {
    console.log(`unknown name ÷ wrong password: ${ratio.toFixed(3)} (${known.length} pairs)`);
  }
});
