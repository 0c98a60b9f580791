/**
 * What root does in the data folder of another user, such as that of a service: the other one can go on with it.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const OWNER = 12_345; // nobody's

/** Paths in a folder, also of its folders, that belong to somebody else. */
async function notOwned(folder: string): Promise<string[]> {
  const wrong: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    const { uid, gid } = await Deno.lstat(path);
    if (uid !== OWNER || gid !== OWNER) wrong.push(path);
    if (isDirectory) wrong.push(...await notOwned(path));
  }
  return wrong;
}

testWith(
  ["linux", "root"],
  "what root makes in a data folder belongs to the folder's owner: serving, backup, restore",
  async () => {
    using folder = tempFolder();
    const data = join(folder.path, "data");
    await Deno.mkdir(data, { mode: 0o700 });
    await Deno.chown(data, OWNER, OWNER);
    await using server = await startServer({ data });
    assert.deepEqual(await notOwned(data), []);
    const backup = join(folder.path, "backup.db");
    assert.equal((await runServer(["backup", "--data", data, backup])).code, 0);
    assert.deepEqual(await notOwned(data), []);
    assert.equal(await server.stop(), 0);
    // A link that the owner has laid there is given to nobody's files.
    const stranger = join(folder.path, "stranger");
    await Deno.writeTextFile(stranger, "");
    await Deno.symlink(stranger, join(data, "link"));
    const restored = await runServer(["restore", "--data", data, "--yes", backup]);
    assert.equal(restored.code, 0, restored.stderr);
    assert.deepEqual(await notOwned(data), []);
    assert.equal((await Deno.stat(stranger)).uid, 0);
    assert.equal((await Deno.stat(backup)).uid, 0);
  },
);
