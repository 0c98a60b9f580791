/**
 * Small frames leave at once, to everybody's client: what the sockets of the real server say of it.
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { connectAs } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const SCRIPT = fileURLToPath(new URL("../python/no_delay.py", import.meta.url));

testWith(
  ["linux", "root", { command: "python3" }],
  "every connection that the server has accepted sends small frames at once",
  async () => {
    for (const host of ["127.0.0.1", "::"]) {
      using folder = tempFolder();
      await using server = await startServer({
        data: folder.path,
        host,
        args: ["--public-host", "127.0.0.1"],
      });
      await using _ana = await connectAs(server, "ana");
      await using _ben = await connectAs(server, "ben");
      const args = [SCRIPT, String(server.program.pid), String(server.port)];
      const { code, stdout, stderr } = await runProgram("python3", args);
      assert.equal(code, 0, stderr);
      assert.deepEqual(stdout.trim().split("\n"), ["1", "1"]);
    }
  },
);
