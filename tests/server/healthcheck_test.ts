import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** What it says, all of it one line, and its exit code. */
async function healthcheck(...args: string[]): Promise<[code: number, line: string]> {
  const { code, stdout, stderr } = await runServer(["healthcheck", ...args]);
  const lines = (stdout + stderr).trimEnd().split("\n");
  assert.equal(lines.length, 1, stdout + stderr);
  assert.equal(stdout === "", code !== 0);
  return [code, lines[0]!];
}

Deno.test("healthcheck calls the server of a data folder wherever it listens, and says 1 once it has stopped", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  assert.match(
    (await healthcheck("--data", data)).join(),
    /^1,Not healthy: Cannot find a server that runs on /,
  );
  for (const host of ["127.0.0.1", "::1", "::"]) {
    await using server = await startServer({ data, host, args: ["--public-host", "localhost"] });
    const [code, line] = await healthcheck("--data", data);
    assert.equal(code, 0, line);
    assert.match(line, new RegExp(`^Healthy: .+:${server.port} answers in \\d+ ms, its store in \\d+ ms `));
    if (host !== "::") continue;
    // As in a container, where the folder's own word may be out of reach, but not the key.
    await Deno.remove(join(data, "server.run"));
    assert.equal((await healthcheck("--data", data, "--port", String(server.port)))[0], 0);
    await server.stop();
  }
  await assert.rejects(Deno.stat(join(data, "server.run")), Deno.errors.NotFound);
});

testWith(
  ["unix"],
  "healthcheck says what is wrong: killed, another server there, standing still, the store stuck",
  async () => {
    using folder = tempFolder();
    const [ours, other] = [join(folder.path, "ours"), join(folder.path, "other")];
    await using server = await startServer({ data: ours });
    const { port } = server;
    using holder = new DatabaseSync(join(ours, "mini-chat.db"));
    holder.exec("BEGIN EXCLUSIVE");
    assert.match(
      (await healthcheck("--data", ours, "--timeout", "1")).join(),
      /^1,Not healthy: Cannot get an answer/,
    );
    holder.exec("ROLLBACK");
    server.program.signal("SIGSTOP");
    assert.match(
      (await healthcheck("--data", ours, "--timeout", "1")).join(),
      /^1,Not healthy: Cannot .+ within 1 s/,
    );
    await server.program.kill();
    assert.match((await healthcheck("--data", ours)).join(), /^1,Not healthy: .+ nothing listens there/);

    await using _squatter = await startServer({ data: other, port });
    assert.match(
      (await healthcheck("--data", ours)).join(),
      /^1,Not healthy: Cannot trust .+ key has changed/,
    );
  },
);
