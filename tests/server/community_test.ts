import assert from "node:assert/strict";
import { join } from "node:path";
import { askServer } from "../../lib/server/live/control.ts";
import type { Figures } from "../../lib/server/live/figures.ts";
import type { RunningServer } from "../../lib/server/serve.ts";
import { openSharedStore } from "../../lib/store/open.ts";
import { RelaySide } from "../fuzz/relay_side.ts";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import { joinCodeOf, PASSWORD } from "../helpers/accounts.ts";
import { ChatDesk, startLocalServer } from "../helpers/chat_desk.ts";
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

async function statusOf(folder: string): Promise<Figures> {
  return await askServer(folder, "status") as Figures;
}

testWith(
  POSTGRES,
  "five servers that start at once on an empty database make one schema and print one invite",
  async () => {
    using folder = tempFolder();
    const folders = await dataFolders(folder, 5);
    const databaseUrl = await newDatabase();
    const surroundings = { databaseUrl, leaseTimes: { beatEveryMs: 200 } };
    const starting = folders.map((data) => startLocalServer(data, {}, surroundings));
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
    if (Deno.build.os === "windows") return;
    await waitUntil("each knows of all, and that one of them leads", async () => {
      const known = (await Promise.all(folders.map(statusOf))).map(({ community }) => community!);
      return known.every(({ servers }) => servers === 5) &&
        known.filter(({ isLeader }) => isLeader).length === 1;
    });
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
      leaseTimes: { beatEveryMs: 100, lostAfterMs: 2_000 },
    });
    await using ana = await Wire.greet(server.port);
    const joinCode = joinCodeOf(server.inviteLink);
    const { token } = await ana.ask("register", { name: "ana", password: PASSWORD, joinCode });
    await using bob = new ChatDesk();
    await bob.register(server.inviteLink, "bob");

    await cluster.kill();
    const { retryAfterMs, reason } = await ana.event("server_stopping");
    assert.ok((retryAfterMs as number) >= 250);
    assert.equal(reason, "no_database");
    await bob.screen.sees("The server has lost its database"); // it once said that the server restarts
    await ana.closed;
    await assert.rejects(Wire.connect(server.port), /ECONNREFUSED/);
    const away = await statusOf(server.dataFolder);
    assert.deepEqual([away.community?.servers, away.survey, away.openChats], [0, null, null]);

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

testWith(
  POSTGRES,
  "host and friend at two servers hear of each other, and their relayed bytes are counted once",
  async () => {
    using folder = tempFolder();
    const folders = await dataFolders(folder, 2);
    const certificatePem = await Deno.readTextFile(join(folders[0]!, "server.crt"));
    const databaseUrl = await newDatabase();
    const bytes = crypto.getRandomValues(new Uint8Array(50_000));
    {
      await using first = await startLocalServer(folders[0]!, {}, { databaseUrl });
      await using second = await startLocalServer(folders[1]!, {}, { databaseUrl });
      const register = async ({ port, inviteLink }: RunningServer, name: string) => {
        const wire = await Wire.greet(port);
        await wire.ask("register", { name, password: PASSWORD, joinCode: joinCodeOf(inviteLink) });
        return wire;
      };
      await using ana = await register(first, "ana");
      await using bob = await register(second, "bob");
      const chatId = crypto.randomUUID();
      const chat = {
        chatId,
        to: "bob",
        port: 5000,
        places: [],
        certificate: CHAT_CERTIFICATE,
        secret: "s".repeat(22),
      };
      await ana.ask("open_chat", chat);
      assert.equal((await bob.event("chat_invited")).from, "ana");
      const { round, relayTicket } = await bob.ask("join_chat", { chatId });
      const joined = await ana.event("chat_joined");
      for (const side of [ana, bob]) await side.ask("offer_punch", { chatId, round, endpoints: [] });
      for (const side of [ana, bob]) assert.equal((await side.event("chat_punch")).startInMs, 150);

      const host = await RelaySide.open({ port: first.port, certificatePem }, joined.relayTicket as string);
      const joiner = await RelaySide.open({ port: second.port, certificatePem }, relayTicket as string);
      await Promise.all([host.begun(), joiner.begun()]);
      await host.write(bytes);
      await joiner.expect(bytes);
      host.close();
      assert.equal(await joiner.countToEnd(), 0);
      joiner.close();

      await first[Symbol.asyncDispose]();
      assert.equal(
        await bob.refused("join_chat", { chatId }),
        "unavailable",
        "the host has gone with its server",
      );
    }
    const admin = await lookAt(databaseUrl);
    const use = await admin.rows("SELECT sum(bytes) bytes FROM relay_use GROUP BY account_id");
    await admin.close();
    assert.deepEqual(use, [{ bytes: bytes.length }, { bytes: bytes.length }]);
  },
);

testWith(
  POSTGRES,
  "what an operator orders is obeyed at every server of a community",
  async () => {
    using folder = tempFolder();
    const folders = await dataFolders(folder, 2);
    const databaseUrl = await newDatabase();
    await using first = await startLocalServer(folders[0]!, {}, { databaseUrl });
    await using second = await startLocalServer(folders[1]!, {}, { databaseUrl });
    const joinCode = joinCodeOf(first.inviteLink);
    const wires = await Promise.all([first, second].map(({ port }) => Wire.greet(port)));
    const [ana, eve] = wires as [Wire, Wire];
    await ana.ask("register", { name: "ana", password: PASSWORD, joinCode });
    const { token } = await eve.ask("register", { name: "eve", password: PASSWORD, joinCode });
    await using operator = await openSharedStore(databaseUrl);
    const startedAt = performance.now();
    await operator.ban({ kind: "account", subject: "eve", endsAt: Date.now() + 3_600_000, reason: "" });
    await eve.closed;
    assert.ok(performance.now() - startedAt < 5_000);
    // The one that disconnected her knows already; the other one hears of it at its own time.
    await waitUntil("both servers refuse her", async () => {
      const answers = await Promise.all([first, second].map(async ({ port }) => {
        await using again = await Wire.greet(port);
        return (await again.request("resume", { token })).error?.data.code;
      }));
      return answers.every((answer) => answer === "forbidden");
    });
    assert.ok(performance.now() - startedAt < 5_000);
    await ana.ask("list_users", {});
    for (const wire of wires) await wire[Symbol.asyncDispose]();
  },
);
