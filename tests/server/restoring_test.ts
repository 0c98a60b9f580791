import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { ChatError } from "../../lib/errors.ts";
import { dataPaths } from "../../lib/server/data_folder.ts";
import { finishRestore, prepareRestore, restoreSteps } from "../../lib/server/restoring.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const OLD = ["mini-chat.db", "mini-chat.db-shm", "mini-chat.db-wal", "server.crt", "server.key"];
const NEW = ["mini-chat.db", "server.crt", "server.key"];

async function write(folder: string, names: readonly string[], text: string): Promise<void> {
  for (const name of names) await Deno.writeTextFile(join(folder, name), text);
}

/** What each file of a folder holds. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile) files[name] = await Deno.readTextFile(join(folder, name));
  }
  return files;
}

function all(names: readonly string[], text: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, text]));
}

async function foldersIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).filter((it) => it.isDirectory).map(({ name }) => name);
}

Deno.test("a restore that is cut off after any of its steps is brought to its end by the next program", async () => {
  let isWhole = false;
  for (let steps = 0; !isWhole; steps++) {
    using folder = tempFolder();
    const paths = dataPaths(folder.path);
    await write(folder.path, OLD, "old");
    await prepareRestore(paths, (made) => write(made, NEW, "new"));
    const first = restoreSteps(paths);
    for (let step = 0; step < steps && !isWhole; step++) isWhole = (await first.next()).done === true;
    await finishRestore(paths);
    deepEqual(await filesIn(folder.path), all(NEW, "new"), `after ${steps} steps`);
    const [kept = "", ...others] = await foldersIn(folder.path);
    deepEqual(others, []);
    match(kept, /^before-restore-\d{4}-/);
    deepEqual(await filesIn(join(folder.path, kept)), all(OLD, "old"), `after ${steps} steps`);
    equal(await finishRestore(paths), null, "and nothing is left to do");
  }
});

Deno.test("a restore that fails, or is cut off, before its files are whole changes nothing", async () => {
  using folder = tempFolder();
  const paths = dataPaths(folder.path);
  await write(folder.path, OLD, "old");
  const fails = prepareRestore(paths, async (made) => {
    await write(made, ["mini-chat.db"], "half");
    throw new Error("the disk is full");
  });
  await rejects(fails, /the disk is full/);
  deepEqual(await foldersIn(folder.path), []);
  await Deno.mkdir(join(folder.path, "restoring.partial", "new"), { recursive: true }); // what a kill leaves
  equal(await finishRestore(paths), null);
  deepEqual(await filesIn(folder.path), all(OLD, "old"));
  await prepareRestore(paths, (made) => write(made, NEW, "new"));
  await finishRestore(paths);
  deepEqual(await filesIn(folder.path), all(NEW, "new"), "and does not stand in the way of the next one");
});

Deno.test("a restore that a disk does not take is told in words", async () => {
  using folder = tempFolder();
  const paths = dataPaths(folder.path);
  const refused = (restoring: Promise<unknown>, words: RegExp) =>
    rejects(restoring, (error) => error instanceof ChatError && words.test(error.message));
  await refused(
    prepareRestore(paths, () => Promise.reject(new Error("No space left on device (os error 28)"))),
    /^Cannot restore, so nothing was changed: No space left on device/,
  );
  await prepareRestore(paths, (made) => write(made, NEW, "new"));
  await write(folder.path, ["mini-chat.db"], "old");
  const inTheWay = join(paths.restoring, "mini-chat.db");
  await Deno.mkdir(join(inTheWay, "x"), { recursive: true });
  await refused(
    finishRestore(paths),
    /^Cannot bring the restore in .*restoring to its end: .*; mend that, then start/,
  );
  await Deno.remove(inTheWay, { recursive: true });
  await finishRestore(paths);
  deepEqual(await filesIn(folder.path), all(NEW, "new"));
});

Deno.test("a restore into an empty folder keeps nothing aside, and one without a key leaves the key", async () => {
  using folder = tempFolder();
  const paths = dataPaths(folder.path);
  await write(folder.path, ["server.key", "server.crt"], "present");
  await prepareRestore(paths, (made) => write(made, ["mini-chat.db"], "new"));
  equal(await finishRestore(paths), null);
  deepEqual(await filesIn(folder.path), {
    "mini-chat.db": "new",
    ...all(["server.key", "server.crt"], "present"),
  });
  deepEqual(await foldersIn(folder.path), []);
});
