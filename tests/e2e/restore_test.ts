/**
 * Restores as an operator makes them: when they are refused, what they keep aside, and what is left when one is killed.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { connectAs, registerAs } from "../helpers/accounts.ts";
import { runServer, serverCommand, startServer, type TestServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { newDatabase, POSTGRES } from "../helpers/postgres.ts";
import { Program } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

async function backUp(data: string, file: string): Promise<string> {
  const { code, stderr } = await runServer(["backup", file, "--data", data]);
  assert.equal(code, 0, stderr);
  return file;
}

async function sendToSelf(server: TestServer, name: string, count: number, text: string): Promise<void> {
  await using wire = await connectAs(server, name);
  for (let sent = 0; sent < count; sent += 50) {
    await Promise.all(
      Array.from(
        { length: Math.min(50, count - sent) },
        () => wire.ask("send_message", { id: crypto.randomUUID(), to: name, text }),
      ),
    );
  }
}

async function countsIn(data: string): Promise<string> {
  const { stdout, stderr, code } = await runServer(["check", "--data", data]);
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test("restore refuses a folder on which a server runs, and one that nobody agreed to; then it keeps the old data", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const backup = join(folder.path, "copy.backup");
  await using server = await startServer({ data });
  await sendToSelf(server, "ana", 1, "before");
  await backUp(data, backup);
  await sendToSelf(server, "bob", 1, "after");

  const running = await runServer(["restore", backup, "--data", data, "--yes"]);
  assert.equal(running.code, 2);
  assert.match(running.stderr, /^Cannot restore: a server already uses data folder/);
  await server.stop();
  const asked = await runServer(["restore", backup, "--data", data], { input: "no\n" });
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /Nothing was changed/);
  assert.match(await countsIn(data), /accounts: 2\n/);

  const restored = await runServer(["restore", backup, "--data", data, "--yes"]);
  assert.equal(restored.code, 0, restored.stderr);
  const [, kept = ""] = /What was there is in (.*): remove/.exec(restored.stdout) ?? [];
  assert.match(await countsIn(data), /accounts: 1\n[^]*messages: 1\n/);
  assert.match(await countsIn(kept), /accounts: 2\n/, "what was there is whole");
  assert.deepEqual((await namesIn(kept)).filter((name) => !name.startsWith("mini-chat.db")), [
    "server.crt",
    "server.key",
  ]);
  await using again = await startServer({ data });
  assert.equal(again.fingerprint, server.fingerprint);
});

Deno.test("restore works on a new machine, with no more than the backup", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const backup = join(folder.path, "copy.backup");
  await using server = await startServer({ data });
  await sendToSelf(server, "ana", 3, "hello");
  await backUp(data, backup);
  await server.program.kill();

  const fresh = join(folder.path, "new", "machine");
  const restored = await runServer(["restore", backup, "--data", fresh, "--yes"]);
  assert.equal(restored.code, 0, restored.stderr);
  assert.deepEqual((await namesIn(fresh)).sort(), [
    "mini-chat.db",
    "server.crt",
    "server.key",
    "server.lock",
  ]);
  if (Deno.build.os !== "windows") {
    assert.equal((await Deno.stat(join(fresh, "server.key"))).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(join(fresh, "mini-chat.db"))).mode! & 0o777, 0o600);
  }
  const audit = await runServer(["audit", "--data", fresh]);
  assert.match(audit.stdout, / restore copy\.backup\n$/);
  await using again = await startServer({ data: fresh });
  assert.equal(again.fingerprint, server.fingerprint);
});

Deno.test("restore of a damaged backup changes nothing, and one of another server says whom it will warn", async () => {
  using folder = tempFolder();
  const [data, other] = [join(folder.path, "data"), join(folder.path, "other")];
  {
    await using _server = await startServer({ data });
    await using _other = await startServer({ data: other });
  }
  const backup = await backUp(other, join(folder.path, "other.backup"));
  const damaged = join(folder.path, "damaged.backup");
  await Deno.writeFile(damaged, (await Deno.readFile(backup)).fill(0xff, 5_000, 9_000));
  const before = await namesIn(data);
  const refused = await runServer(["restore", damaged, "--data", data, "--yes"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /damaged/);
  assert.deepEqual(await namesIn(data), before);
  const { code, stdout } = await runServer(["restore", backup, "--data", data, "--yes"]);
  assert.equal(code, 0);
  assert.match(stdout, /is another one than in .*: clients that know SHA256:\S+ will be warned/);
});

testWith(
  ["unix"],
  "a restore that is killed leaves all of the old or all of the new, and a server starts on it",
  async () => {
    using folder = tempFolder();
    const data = join(folder.path, "data");
    await using server = await startServer({ data, args: ["--sends-per-second", "100000"] });
    await sendToSelf(server, "ana", 1_000, "x".repeat(4_000));
    const backup = await backUp(data, join(folder.path, "copy.backup"));
    await sendToSelf(server, "bob", 1, "after");
    await server.stop();
    const { command, args } = serverCommand();
    // The first moment that another program can see of the making, and of the putting in place.
    for (const seen of ["restoring.partial", "restoring"]) {
      {
        await using killed = new Program(command, [...args, "restore", backup, "--data", data, "--yes"], {
          name: "restore",
        });
        const isSeen = async () =>
          (await namesIn(data)).some((name) => name === seen || /^before/.test(name));
        await waitUntil(`the restore gets to ${seen}`, isSeen, 60_000);
        await killed.kill();
      }
      {
        await using again = await startServer({ data });
        assert.equal(again.fingerprint, server.fingerprint);
      }
      const isDecided = (await namesIn(data)).some((name) => /^before/.test(name));
      assert.match(await countsIn(data), isDecided ? /accounts: 1\n[^]*messages: 1000\n/ : /accounts: 2\n/);
    }
  },
);

testWith(
  POSTGRES,
  "PostgreSQL: backup and restore say which programs do it; restore does what is left after them",
  async () => {
    using folder = tempFolder();
    const database = await newDatabase();
    const backup = await runServer(["backup", join(folder.path, "copy"), "--database", database]);
    assert.match(backup.stderr, /use pg_dump or pg_basebackup/);
    const named = await runServer(["restore", join(folder.path, "copy"), "--database", database]);
    assert.match(named.stderr, /use pg_restore, then run mini-chat-server restore --database without a file/);

    await using server = await startServer({ data: folder.path, args: ["--database", database] });
    await using ana = await registerAs(server, "ana");
    const before = await ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "before" });
    const { code, stderr } = await runServer(["restore", "--database", database]);
    assert.equal(code, 0, stderr);
    const after = await ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "after" });
    assert.ok(Number(after.sequence) > Number(before.sequence) + 1_000_000_000);
  },
);
