// deno-lint-ignore-file no-console -- the long form prints its ratio
import assert from "node:assert/strict";
import { addPeople } from "../helpers/population.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { Wire } from "../helpers/wire.ts";
import { FUZZ_SCALE } from "./fuzz.ts";

/** Pairs of logins that are compared in the short form: each costs two password hashes. */
const PAIRS = 2;

/** Most pairs, on a machine that does much else: it can only make a login slower, so the quickest of each kind are compared. */
const MAX_PAIRS = 40;

/** How far apart the two may be; without the same work they would be a hundredfold apart. */
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
  let [known, unknown] = [Infinity, Infinity];
  const isAlike = () => unknown < known * MAX_RATIO && known < unknown * MAX_RATIO;
  const wanted = PAIRS * Math.min(FUZZ_SCALE, 8);
  let pairs = 0;
  // In turn, so that what slows the machine slows both.
  while (pairs < wanted || (pairs < MAX_PAIRS && !isAlike())) {
    known = Math.min(known, await login(person!.name));
    unknown = Math.min(unknown, await login(`nobody${pairs++}`));
  }
  const ratio = `unknown name ÷ wrong password: ${(unknown / known).toFixed(3)} (${pairs} pairs)`;
  assert.ok(isAlike(), ratio);
  if (FUZZ_SCALE > 1) console.log(ratio);
});
