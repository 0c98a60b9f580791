/**
 * Root, and the data folder of another user, such as that of a service: root makes nothing in it, and is told what to type.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const OWNER = 12_345; // nobody's

testWith(
  ["linux", "root"],
  "root is refused on the data folder of another user, and leaves it as it was",
  async () => {
    using folder = tempFolder();
    const data = join(folder.path, "data");
    const backup = join(folder.path, "backup");
    {
      await using _server = await startServer({ data });
      assert.equal((await runServer(["backup", "--data", data, backup])).code, 0);
    }
    await Deno.chown(data, OWNER, OWNER);
    const before = (await Array.fromAsync(Deno.readDir(data))).map(({ name }) => name).sort();
    const attempts = [["--port", "0"], ["user", "list"], ["backup", join(folder.path, "other")], [
      "restore",
      "--yes",
      backup,
    ]];
    for (const args of attempts) {
      const { code, stderr } = await runServer([...args, "--data", data]);
      assert.equal(code, 2, args.join(" "));
      assert.match(
        stderr,
        /^Cannot use .*data as root, as it belongs to user 12345: .* sudo -u '#12345' in front\n$/,
      );
    }
    assert.deepEqual((await Array.fromAsync(Deno.readDir(data))).map(({ name }) => name).sort(), before);
  },
);
