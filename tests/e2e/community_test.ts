/**
 * Several servers on one PostgreSQL as their operator meets them: the way there and back, and what is refused.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { joinCodeOf, PASSWORD, registerAs } from "../helpers/accounts.ts";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES, PostgresCluster } from "../helpers/postgres.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { Wire } from "../helpers/wire.ts";

const KEY_FILES = ["server.key", "server.crt"];

/** A data folder with the key of another one. */
async function withKeyOf(folder: string, path: string): Promise<string> {
  await Deno.mkdir(path);
  for (const name of KEY_FILES) await Deno.copyFile(join(folder, name), join(path, name));
  return path;
}

testWith(
  POSTGRES,
  "a server's data moves to PostgreSQL, where two servers are one community, and back to a folder",
  async () => {
    using folder = tempFolder();
    const [first, second, third] = ["first", "second", "third"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    const database = await newDatabase();
    const env = { MINI_CHAT_DATABASE: database };
    const args = ["--failed-logins", "2"];
    let token: unknown, code: string;
    {
      await using alone = await startServer({ data: first });
      code = joinCodeOf(alone.inviteLink);
      await using wire = await Wire.greet(alone.port);
      ({ token } = await wire.ask("register", { name: "ana", password: PASSWORD, joinCode: code }));
      await wire.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "one\0two" });
      await alone.stop();
    }
    const there = await runServer(["move", "--from", first, "--to", database]);
    assert.equal(there.code, 0, there.stderr);
    assert.match(there.stdout, /^messages: 1$/m);
    {
      await using a = await startServer({ data: first, env, args });
      await using b = await startServer({ data: await withKeyOf(first, second), env, args });
      assert.match(a.program.stderr, /no synchronous standby/);
      assert.deepEqual([a, b].map(({ inviteLink }) => joinCodeOf(inviteLink)), [code, code]);

      await using ana = await Wire.greet(a.port);
      await ana.ask("resume", { token });
      await ana.ask("subscribe", {});
      await using bob = await registerAs(b, "bob");
      await bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "from the other server" });
      const texts = [await ana.event("message_received"), await ana.event("message_received")]
        .map(({ text }) => text);
      assert.deepEqual(texts, ["one\0two", "from the other server"]);

      await using stranger = await Wire.greet(a.port);
      await using elsewhere = await Wire.greet(b.port);
      const guess = { name: "bob", password: "a guess" };
      const refusals = [stranger, elsewhere, stranger, elsewhere];
      const codes: string[] = [];
      for (const wire of refusals) codes.push(await wire.refused("login", guess));
      assert.deepEqual(codes, ["unauthenticated", "unauthenticated", "rate_limited", "rate_limited"]);
      const inUse = await runServer(["move", "--from", database, "--to", await withKeyOf(first, third)]);
      assert.match(inUse.stderr, /^Cannot move while servers use .*\n$/);
      const disable = await runServer(["user", "disable", "bob"], { env });
      assert.equal(disable.code, 0, disable.stderr);
      assert.equal((await bob.event("session_ended")).reason, "revoked");
      await Promise.all([a.stop(), b.stop()]);
    }
    const check = await runServer(["check"], { env });
    assert.equal(check.code, 0, check.stderr);
    assert.match(check.stdout, /^messages: 2$/m);

    const back = await runServer(["move", "--to", third], { env });
    assert.equal(back.code, 0, back.stderr);
    const audit = await runServer(["audit", "--data", third]);
    assert.deepEqual(audit.stdout.trim().split("\n").map((line) => line.split("  ")[2]), [
      `move from ${first} to PostgreSQL`,
      "user disable bob",
      `move from PostgreSQL to ${third}`,
    ]);
    await using alone = await startServer({ data: third });
    assert.equal(joinCodeOf(alone.inviteLink), code);
    await using ana = await Wire.greet(alone.port);
    await ana.ask("resume", { token });
  },
);

testWith(
  POSTGRES,
  "servers of a community, and what is refused to start or to move, say so in a sentence",
  async () => {
    using folder = tempFolder();
    const [data, other] = [join(folder.path, "data"), join(folder.path, "other")];
    const database = await newDatabase();
    const file = join(folder.path, "database");
    await Deno.writeTextFile(file, `${database}\n`);
    await using _server = await startServer({ data, args: ["--database-file", file] });
    const subcommands: [args: string[], words: RegExp][] = [
      [["invite", "new", "--data", data], /^mini-chat:/],
      [["invite", "list"], /used 0 times {2}printed at start\n.*\n$/],
      [["user", "list"], /^$/],
    ];
    for (const [args, words] of subcommands) {
      const { code, stdout, stderr } = await runServer([...args, "--database-file", file]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, words);
    }
    const refused = async (args: readonly string[], words: RegExp) => {
      const { code, stdout, stderr } = await runServer(args);
      assert.equal(code, 2, `${args}: ${stdout}${stderr}`);
      assert.match(stderr, words);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    };
    const quiet = ["--port", "0", "--log-level", "error"];
    await Promise.all([
      refused(
        ["--data", other, "--database", database, ...quiet],
        /another key: copy server.key and server.crt/,
      ),
      refused(
        ["--database", "postgres://me:secret@127.0.0.1/x"],
        /Cannot take a password on the command line/,
      ),
      refused(["backup", join(folder.path, "copy"), "--database", database], /use pg_dump/),
      // A folder of its own: the server that is refused beside it makes a key in `other`.
      refused(
        ["invite", "new", "--data", join(folder.path, "keyless"), "--database", database],
        /Cannot find server.key/,
      ),
      refused(["move", "--from", data, "--to", other], /from a folder to a folder/),
      refused(
        ["move", "--from", "postgres://me:secret@127.0.0.1/x", "--to", other],
        /password on the command line/,
      ),
      refused(["move", "--from", database, "--to", join(folder.path, "new")], /Cannot find server.key/),
    ]);
    // By now there is a key in `other`, of no community.
    await refused(
      ["invite", "new", "--data", other, "--database", database],
      /another key: copy server.key and server.crt/,
    );
    const admin = await lookAt(database);
    await admin.query({ sql: "UPDATE community SET oldest_program = 1000" });
    await admin.close();
    const sameKey = await withKeyOf(data, join(folder.path, "same"));
    await refused(
      ["--data", sameKey, "--database", database, ...quiet],
      /this program is too old: .*update$/m,
    );
  },
);

testWith(
  [...POSTGRES, { command: "pgbouncer" }],
  "a pooler that swallows notifications is refused in a sentence",
  async () => {
    using folder = tempFolder();
    await using pooler = await startPgBouncer(await newDatabase());
    const args = ["--data", folder.path, "--port", "0", "--database", pooler.url];
    const { code, stderr } = await runServer(args);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^Cannot serve .* notifications do not come through: is it a pooler in transaction mode.*\n$/,
    );
  },
);

testWith(POSTGRES, "a synchronous standby that is asked for and missing is told in a sentence", async () => {
  using folder = tempFolder();
  await using cluster = await PostgresCluster.start();
  const database = await cluster.newDatabase();
  const args = ["--database", database];
  {
    await using first = await startServer({ data: folder.path, args });
    await first.stop();
  }
  await cluster.query(
    "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
    "SELECT pg_reload_conf()",
  );
  await using server = await startServer({ data: folder.path, args });
  await server.stop();
  assert.match(server.program.stderr, /none follows it: nobody can send until one does/);
});
