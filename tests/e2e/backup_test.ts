/**
 * Backups as an operator makes them: of a running server, into a file or a folder, and what is left when one is cut off.
 * @module
 */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { loadOrCreateIdentity } from "../../lib/net/identity.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import { connectAs } from "../helpers/accounts.ts";
import { runServer, serverCommand, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Program, runProgram } from "../helpers/program.ts";
import { mountSmallDisk, remount, SMALL_DISK } from "../helpers/small_disk.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

const DISK_BYTES = 1024 * 1024;

const DATED = /^mini-chat-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.backup$/;

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

/** Makes a backup in a folder, and gives it an older date. */
async function backUpAsOf(day: string, data: string, folder: string): Promise<string> {
  const name = `mini-chat-${day}T03-00-00.000Z.backup`;
  const { code, stderr } = await runServer(["backup", join(folder, name), "--data", data]);
  assert.equal(code, 0, stderr);
  return name;
}

Deno.test("backup copies a running server with its key, for its owner alone, and check finds it sound", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const copy = join(folder.path, "copy.backup");
  await using server = await startServer({ data });
  await using ana = await connectAs(server, "ana");
  await ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "before the copy" });

  const backup = await runServer(["backup", copy, "--data", data]);
  assert.equal(backup.code, 0, backup.stderr);
  assert.match(backup.stdout, /holds all messages and the server's private key/);
  if (Deno.build.os !== "windows") assert.equal((await Deno.stat(copy)).mode! & 0o777, 0o600);
  await ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "after the copy" });

  const check = await runServer(["check", copy]);
  assert.equal(check.code, 0, check.stderr);
  assert.ok(check.stdout.includes(`key: ${server.fingerprint}\naccounts: 1\nmessages: 1\n`), check.stdout);
  const last = JSON.parse(await Deno.readTextFile(join(data, "last_backup.json")));
  assert.deepEqual({ ...last, at: 0 }, { at: 0, file: copy, bytes: (await Deno.stat(copy)).size });
  assert.ok(Date.now() - Date.parse(last.at) < 60_000);

  const again = await runServer(["backup", copy, "--data", data]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^Cannot write the backup as .*copy\.backup exists/);
});

Deno.test("backup --keep removes the oldest of this server, and nothing else", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const other = join(folder.path, "other");
  const backups = join(folder.path, "backups");
  {
    await using _server = await startServer({ data });
    await using _other = await startServer({ data: other });
  }
  await Deno.mkdir(backups);
  await backUpAsOf("2026-01-01", data, backups);
  const kept = [
    await backUpAsOf("2026-01-02", other, backups),
    await backUpAsOf("2026-01-03", data, backups),
    "notes.txt",
    "mini-chat-2026-01-01T00-00-00.000Z.backup", // which is none
  ];
  for (const name of kept.slice(2)) await Deno.writeTextFile(join(backups, name), "not a backup");
  const abandoned = join(backups, "mini-chat-2026-01-02T00-00-00.000Z.backup.partial");
  await Deno.writeTextFile(abandoned, "");
  await Deno.utime(abandoned, 0, 0);

  const { code, stdout, stderr } = await runServer(["backup", backups, "--keep", "2", "--data", data]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\n.* has 2 backups of this server now; removed 1 older one\.\n$/);
  const names = await namesIn(backups);
  const [made = "", ...others] = names.filter((name) => !kept.includes(name));
  assert.match(made, DATED);
  assert.deepEqual(others, []);
  assert.equal(names.length, kept.length + 1);
});

Deno.test("backup --keep once removed the backup that it had just made, where the clock had been set back", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const backups = join(folder.path, "backups");
  {
    await using _server = await startServer({ data });
  }
  await Deno.mkdir(backups);
  await backUpAsOf("2999-01-01", data, backups);
  const later = await backUpAsOf("2999-01-02", data, backups);
  const { code, stdout, stderr } = await runServer(["backup", backups, "--keep", "2", "--data", data]);
  assert.equal(code, 0, stderr);
  const [, made = ""] = /^Wrote (\S+)\. /.exec(stdout) ?? [];
  assert.deepEqual(await namesIn(backups), [basename(made), later]);
});

Deno.test("backup makes the folder of --keep, and says that a key which lies elsewhere is not in it", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  {
    await using _server = await startServer({ data });
  }
  for (const name of ["server.key", "server.crt"]) {
    await Deno.rename(join(data, name), join(folder.path, name));
  }
  const backups = join(folder.path, "not", "yet");
  const { code, stdout, stderr } = await runServer(["backup", backups, "--keep", "7", "--data", data]);
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /without a key, as server\.key is not in .*: keep copies of your --cert and --key files too\.\n.* has 1 backup of this server now\.\n$/,
  );
  const [name = "", ...others] = await namesIn(backups);
  assert.deepEqual(others, []);
  const check = await runServer(["check", join(backups, name)]);
  assert.match(check.stdout, /key: none/);
  await Deno.rename(join(folder.path, "server.crt"), join(data, "server.crt"));
  const lost = await runServer(["backup", join(folder.path, "copy.backup"), "--data", data]);
  assert.equal(lost.code, 1, "whom a timer starts reads no output");
  assert.match(lost.stdout, /^Wrote .*copy\.backup without a key\.\n$/);
  assert.match(
    lost.stderr,
    /holds all messages, but not the server's key\. .* but its server\.key is gone\. .* restore BACKUP/,
  );
  await Deno.writeTextFile(join(data, "server.key"), "");
  const broken = await runServer(["backup", backups, "--keep", "1", "--data", data]);
  assert.equal(broken.code, 1, "it once made none");
  assert.match(
    broken.stdout,
    /without a key\.\n.* has 1 backup of this server now; removed 1 older one\.\n$/,
  );
  assert.match(
    broken.stderr,
    /not the server's key\. Cannot use .*server\.key as it must hold a private key in PEM/,
  );
});

testWith(
  ["unix"],
  "a backup that is killed leaves no half one under its name, and the next one is made",
  async () => {
    using folder = tempFolder();
    const data = join(folder.path, "data");
    const backups = join(folder.path, "backups");
    await using server = await startServer({ data, args: ["--sends-per-second", "100000"] });
    await using ana = await connectAs(server, "ana");
    for (let sent = 0; sent < 2_000; sent += 100) {
      await Promise.all(
        Array.from(
          { length: 100 },
          () => ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "x".repeat(8_000) }),
        ),
      );
    }
    await Deno.mkdir(backups);
    {
      const { command, args } = serverCommand();
      await using killed = new Program(command, [...args, "backup", backups, "--keep", "1", "--data", data], {
        name: "backup",
      });
      await waitUntil("the backup begins", async () => (await namesIn(backups)).length > 0);
      await killed.kill();
    }
    const checkAll = async () => {
      const names = (await namesIn(backups)).filter((name) => DATED.test(name));
      for (const name of names) {
        const check = await runServer(["check", join(backups, name)]);
        assert.match(check.stdout, /messages: 2000\nThe backup is not damaged\./, check.stderr);
      }
      return names.length;
    };
    await checkAll(); // none, unless it was done before the kill
    const next = await runServer(["backup", backups, "--keep", "1", "--data", data]);
    assert.equal(next.code, 0, next.stderr);
    assert.equal(await checkAll(), 1);
  },
);

testWith(
  SMALL_DISK,
  "a full or read-only disk can be backed up to another one; else each subcommand says so in a line",
  async () => {
    using folder = tempFolder();
    const data = join(folder.path, "data");
    const backups = join(folder.path, "backups");
    await Deno.mkdir(data);
    using _disk = mountSmallDisk(data, DISK_BYTES);
    await loadOrCreateIdentity(data);
    {
      await using _store = await openLocalStore(join(data, "mini-chat.db"));
    }
    const fill = async () =>
      (await runProgram("dd", ["if=/dev/zero", `of=${join(data, "ballast")}`, "bs=4096"])).code !== 0;
    const states: [string, () => boolean | Promise<boolean>, RegExp][] = [
      ["read-only", () => remount(data, "ro"), /^Cannot use .*whether its disk is read-only or full\n$/],
      [
        "full",
        () => remount(data, "rw") && fill(),
        /^Cannot use .* now: the disk is full, or could not be read or written\n$/,
      ],
    ];
    for (const [state, bring, words] of states) {
      assert.ok(await bring(), state);
      const backup = await runServer(["backup", backups, "--keep", "1", "--data", data]);
      assert.equal(backup.code, 0, backup.stderr);
      assert.match(
        backup.stdout,
        /^Wrote .*\nThe backup is whole, but doctor will not know of it: .*\n.* has 1 backup of this server now(; removed 1 older one)?\.\n$/,
      );
      const [made = "", ...others] = await namesIn(backups);
      assert.deepEqual(others, []);
      assert.match((await runServer(["check", join(backups, made)])).stdout, /The backup is not damaged/);
      assert.match((await runServer(["user", "list", "--data", data])).stderr, words, state);
    }
  },
);

testWith(
  SMALL_DISK,
  "a backup that does not fit leaves the older ones and no half one, and says why",
  async () => {
    using folder = tempFolder();
    const data = join(folder.path, "data");
    const backups = join(folder.path, "backups");
    await Deno.mkdir(backups);
    using _disk = mountSmallDisk(backups, DISK_BYTES);
    await using server = await startServer({ data });
    await using ana = await connectAs(server, "ana");
    const old = await backUpAsOf("2026-01-01", data, backups);
    for (let sent = 0; sent < 150; sent++) {
      await ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "x".repeat(8_000) });
    }
    const { code, stderr } = await runServer(["backup", backups, "--keep", "1", "--data", data]);
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot write .*disk is full\n$/);
    assert.deepEqual(await namesIn(backups), [old]);
  },
);
