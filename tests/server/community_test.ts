import assert from "node:assert/strict";
import { join } from "node:path";
import type { RunningServer } from "../../lib/server/serve.ts";
import { joinCodeOf, PASSWORD } from "../helpers/accounts.ts";
import { startLocalServer } from "../helpers/chat_desk.ts";
import { testWith } from "../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES, PostgresCluster } from "../helpers/postgres.ts";
import { type TempFolder, tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Wire } from "../helpers/wire.ts";

/** Data folders of several servers, all with the key that the first of them makes. */
async function dataFolders(folder: TempFolder, count: number): Promise<string[]> {
  const folders = Array.from({ length: count }, (_, index) => join(folder.path, String(index)));
  await using _maker = await startLocalServer(folders[0]!);
  for (const other of folders.slice(1)) {
    await Deno.mkdir(other);
    for (const name of ["server.key", "server.crt"]) {
      await Deno.copyFile(join(folders[0]!, name), join(other, name));
    }
  }
  return folders;
}

testWith(
  POSTGRES,
  "five servers that start at once on an empty database make one schema and print one invite",
  async () => {
    using folder = tempFolder();
    const folders = await dataFolders(folder, 5);
    const databaseUrl = await newDatabase();
    const starting = folders.map((data) => startLocalServer(data, {}, { databaseUrl }));
    await using opened = new AsyncDisposableStack();
    const servers = (await Promise.all(starting)).map((server): RunningServer => opened.use(server));
    const codes = new Set(servers.map(({ inviteLink }) => joinCodeOf(inviteLink)));
    assert.equal(codes.size, 1);
    const admin = await lookAt(databaseUrl);
    opened.defer(() => admin.close());
    assert.deepEqual(
      await admin.rows(
        "SELECT (SELECT count(*) FROM invites) invites, (SELECT count(*) FROM servers) servers",
      ),
      [{ invites: 1, servers: 5 }],
    );
  },
);

testWith(
  POSTGRES,
  "a server whose database is away sends its callers off and closes its port, until the database is back",
  async () => {
    using folder = tempFolder();
    await using cluster = await PostgresCluster.start();
    await using server = await startLocalServer(join(folder.path, "data"), {}, {
      databaseUrl: await cluster.newDatabase(),
      leaseTimes: { beatEveryMs: 100, lostAfterMs: 500 },
    });
    await using ana = await Wire.greet(server.port);
    const joinCode = joinCodeOf(server.inviteLink);
    const { token } = await ana.ask("register", { name: "ana", password: PASSWORD, joinCode });

    await cluster.kill();
    const { retryAfterMs } = await ana.event("server_stopping");
    assert.ok((retryAfterMs as number) >= 500);
    await ana.closed;
    await assert.rejects(Wire.connect(server.port), /ECONNREFUSED/);

    await cluster.restart();
    await waitUntil("the port is open again", async () => {
      const wire = await Wire.connect(server.port).catch(() => null);
      await wire?.[Symbol.asyncDispose]();
      return wire !== null;
    });
    await using again = await Wire.greet(server.port);
    await again.ask("resume", { token });
  },
);
