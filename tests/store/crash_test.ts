import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openLocalStore } from "../../lib/store/open.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, readMailbox } from "./store_helpers.ts";

const STORM = fileURLToPath(import.meta.resolve("./storm_program.ts"));
const CONFIG = fileURLToPath(import.meta.resolve("../../deno.json"));

/** Lets the storm acknowledge some messages, kills it without warning, and returns what it has acknowledged. */
async function stormUntilKilled(path: string, round: number, atLeast: number): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--config",
      CONFIG,
      "--allow-read",
      "--allow-write",
      "--allow-env",
      STORM,
      path,
      String(round),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let printed = "";
  let lines = 0;
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    printed += decoder.decode(chunk, { stream: true });
    lines += chunk.filter((byte) => byte === 10).length;
    if (lines >= atLeast) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It is dead already; what it printed is still read to the end.
      }
    }
  }
  await child.status;
  // The last line may have been cut in the middle.
  return printed.slice(0, printed.lastIndexOf("\n") + 1).split("\n").filter((line) => line !== "");
}

Deno.test("a store killed in the middle of its commits keeps every acknowledged message once, and stays whole", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "server.db");
  {
    await using store = await openLocalStore(path);
    await addPerson(store, "ana");
    await addPerson(store, "bob");
  }
  const acknowledged: string[] = [];
  for (const round of [1, 2, 3]) {
    acknowledged.push(...await stormUntilKilled(path, round, 200 * round));
    await using store = await openLocalStore(path);
    const stored = await readMailbox(store, 2);
    const ids = new Set(stored.map((message) => message.id));
    equal(ids.size, stored.length, "none twice");
    deepEqual(acknowledged.filter((id) => !ids.has(id)), [], "none lost");
    ok(stored.every((message) => message.text === `text of ${message.id}`));
    deepEqual(await store.checkIntegrity(), []);
  }
});
