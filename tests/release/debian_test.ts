/**
 * The Debian packages on a Debian: a whole life of the service under a real systemd, with the limits of its unit.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { debianName, makeDebianPackages } from "../../build/release/debian.ts";
import type { Release } from "../../build/release/manifest.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { DebianMachine, MACHINE_NEEDS } from "./debian_machine.ts";
import { COMMITTED_AT, packRelease } from "./packed_release.ts";
import { TARGET } from "./release_folder.ts";

const PROGRAMS = ["mini-chat-client", "mini-chat-server"];
const MAINTAINER = "Mini-Chat maintainers <maintainers@mini-chat.example>";
const SERVICE = "mini-chat-server.service";
const BACKUP = "mini-chat-backup.service";
const TIMER = "mini-chat-backup.timer";
const DATA = "/var/lib/mini-chat";
const BACKUPS = "/var/backups/mini-chat-server";
const LINTIAN_TIMEOUT_MS = 300_000; // it reads every word of both executables
const LIMIT = 1.5; // of systemd-analyze security, whose scale ends with 10

function makePackages(folder: string, release: Release): Promise<string[]> {
  return makeDebianPackages({
    folder,
    release,
    committedAt: COMMITTED_AT,
    maintainer: MAINTAINER,
    isQuick: true,
  });
}

const state = (machine: DebianMachine) => machine.must("systemctl", ["show", "-P", "ActiveState", SERVICE]);
const mainPid = (machine: DebianMachine) => machine.must("systemctl", ["show", "-P", "MainPID", SERVICE]);

/** Files of the data folder that the service could not write. */
const strangers = (machine: DebianMachine) => machine.must("find", [DATA, "!", "-user", "mini-chat"]);

/** A client with a profile of its own, as an unprivileged user. */
function client(machine: DebianMachine, name: string, args: readonly string[], input = ""): Promise<string> {
  const env = { HOME: `/tmp/${name}`, MINI_CHAT_PROFILE: `/tmp/${name}/profile` };
  return machine.must("mini-chat-client", args, { input, env, user: "nobody" });
}

testWith(
  [...MACHINE_NEEDS, { command: "dpkg-deb" }, { command: "lintian" }],
  "Debian packages: installed, used, upgraded, removed and purged, under a real systemd and the limits of the unit",
  async (t) => {
    const step = async (name: string, fn: () => Promise<void>) => {
      if (!await t.step(name, fn)) throw new Error("What comes next needs this step");
    };
    using folder = tempFolder();
    await Deno.chmod(folder.path, 0o755);
    const release = await packRelease(folder.path, PROGRAMS);
    const names = await makePackages(folder.path, release);
    assert.deepEqual(names.sort(), PROGRAMS.map((program) => debianName(program, TARGET)));

    await step("lintian finds nothing, and the same archives make the same bytes", async () => {
      const { code, stdout } = await runProgram("lintian", [
        "--no-cfg",
        "--allow-root",
        "--fail-on=error,warning",
        ...names.map((name) => join(folder.path, name)),
      ], { timeoutMs: LINTIAN_TIMEOUT_MS });
      assert.equal(code, 0, stdout);
      const server = join(folder.path, names[1]!);
      const before = await Deno.readFile(server);
      await makePackages(folder.path, { ...release, files: release.files.slice(1) });
      assert.ok(Buffer.from(await Deno.readFile(server)).equals(before));
    });

    const next = join(folder.path, "next");
    await Deno.mkdir(next);
    await Deno.copyFile(join(folder.path, release.files[1]!.file), join(next, release.files[1]!.file));
    await makePackages(next, { ...release, version: "0.2.0", files: [release.files[1]!] });
    await using machine = await DebianMachine.boot({ [folder.path]: "/mnt" });

    await step("installed, it serves with the rights of its user", async () => {
      await machine.must("apt-get", [
        "install",
        "--yes",
        ...names.map((name) => `/mnt/${name}`),
      ]);
      assert.equal(
        await state(machine),
        "active",
        await machine.must("journalctl", ["--no-pager", "-u", SERVICE]),
      );
      assert.equal(await machine.must("systemctl", ["is-enabled", SERVICE]), "enabled");
      assert.equal(
        await machine.must("systemctl", ["show", "-P", "StatusText", SERVICE]),
        "Serving on port 7667",
      );
      assert.equal(await machine.must("stat", ["-c", "%U %a", DATA]), "mini-chat 700");
      assert.equal(await strangers(machine), "");
    });

    await step("the limits of its unit hold", async () => {
      await machine.must("systemd-analyze", ["verify", "--man=no", SERVICE]);
      const report = await machine.must("systemd-analyze", ["security", "--no-pager", SERVICE]);
      const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(report) ?? [];
      assert.ok(Number(exposure) <= LIMIT, report);
      const pid = await mainPid(machine);
      const status = await machine.must("cat", [`/proc/${pid}/status`]);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^Seccomp:\t2$/m);
      assert.match(status, /^CapBnd:\t0{16}$/m);
      const root = (path: string) => `/proc/${pid}/root${path}`;
      assert.notEqual((await machine.run("stat", [root("/dev/kmsg")])).code, 0);
      const [, files] = /^Max open files +(\d+)/m.exec(await machine.must("cat", [`/proc/${pid}/limits`])) ??
        [];
      assert.ok(Number(files) >= 10_000, `${files} open files`);
    });

    await step("two people meet there, and the operator looks after it as root", async () => {
      const link = (await machine.must("mini-chat-admin", ["invite", "new", "--public-host", "127.0.0.1"]))
        .trim();
      for (const name of ["ana", "bob"]) {
        await machine.must("install", ["-d", "-o", "nobody", `/tmp/${name}`]);
        await client(machine, name, ["register", link, name], "a long password\n");
      }
      await client(machine, "ana", ["send", "bob", "hello"]);
      assert.match(await client(machine, "bob", ["inbox"]), /hello/);
      await machine.must("mini-chat-admin", ["healthcheck"]);
      await machine.must("mini-chat-admin", ["backup", "--keep", "2", BACKUPS]);
      assert.match(await machine.must("ls", [BACKUPS]), /./);
      await machine.must("mini-chat-admin", ["status"]);
      assert.match(
        await machine.must("mini-chat-admin", ["doctor", "--json"]),
        /"about":"backup","level":"ok"/,
      );
      assert.match(await machine.must("mini-chat-admin", ["user", "list"]), /ana[\s\S]*bob/);
      // As root itself: what it makes there the service could not write.
      const asRoot = await machine.run("mini-chat-server", [
        "--data",
        DATA,
        "backup",
        "/var/backups/of-root.db",
      ]);
      assert.match(asRoot.stderr, /^Cannot use \S+ as root, as it belongs to user \d+: /);
      assert.equal(await strangers(machine), "");
      const refused = await machine.run("mini-chat-admin", ["user", "list"], { user: "nobody" });
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /run this as root, as in sudo mini-chat-admin user/);
    });

    await step("the timer makes backups once it is enabled, without a way to the network", async () => {
      const isEnabled = () => machine.run("systemctl", ["is-enabled", TIMER]);
      assert.equal((await isEnabled()).stdout.trim(), "disabled");
      await machine.must("systemctl", ["enable", "--now", TIMER]);
      await machine.must("systemd-analyze", ["verify", "--man=no", TIMER, BACKUP]);
      const report = await machine.must("systemd-analyze", ["security", "--no-pager", BACKUP]);
      const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(report) ?? [];
      assert.ok(Number(exposure) <= LIMIT, report);
      const count = async () => (await machine.must("ls", [BACKUPS])).split("\n").filter(Boolean).length;
      const before = await count();
      await machine.must("systemctl", ["start", BACKUP]);
      assert.equal(await count(), before + 1);
      assert.equal(await strangers(machine), "");
    });

    await step("a server that stands still is started anew", async () => {
      await machine.must("install", ["-D", "/dev/stdin", `/run/systemd/system/${SERVICE}.d/watch.conf`], {
        input: "[Service]\nWatchdogSec=2\n",
      });
      await machine.must("systemctl", ["daemon-reload"]);
      await machine.must("systemctl", ["restart", SERVICE]);
      const before = await mainPid(machine);
      await machine.must("systemctl", ["kill", "--kill-whom=main", "--signal=STOP", SERVICE]);
      await waitUntil(
        "another process serves",
        async () => await state(machine) === "active" && await mainPid(machine) !== before,
      );
      assert.match(await machine.must("journalctl", ["--no-pager", "-u", SERVICE]), /Watchdog timeout/);
    });

    await step("upgraded, it is started anew, with its settings and all that it knew", async () => {
      await machine.must("sh", ["-c", "echo MINI_CHAT_HISTORY_DAYS=30 >>/etc/default/mini-chat-server"]);
      const before = await mainPid(machine);
      await machine.must("dpkg", ["--install", `/mnt/next/${debianName("mini-chat-server", TARGET)}`]);
      assert.equal(await state(machine), "active");
      assert.notEqual(await mainPid(machine), before);
      assert.equal(await machine.must("systemctl", ["is-active", TIMER]), "active");
      assert.match(
        await machine.must("cat", [`/proc/${await mainPid(machine)}/environ`]),
        /MINI_CHAT_HISTORY_DAYS=30/,
      );
      await client(machine, "bob", ["send", "ana", "still here"]);
      assert.match(await client(machine, "ana", ["history", "bob"]), /hello[\s\S]*still here/);
    });

    await step("a service that was disabled stays so on an upgrade", async () => {
      await machine.must("systemctl", ["disable", "--now", SERVICE]);
      await machine.must("dpkg", ["--install", `/mnt/next/${debianName("mini-chat-server", TARGET)}`]);
      assert.equal(await state(machine), "inactive");
      assert.equal((await machine.run("systemctl", ["is-enabled", SERVICE])).stdout.trim(), "disabled");
      await machine.must("systemctl", ["enable", "--now", SERVICE]);
    });

    await step("removed, it leaves people's messages; installed again, it finds them", async () => {
      const before = await mainPid(machine);
      await machine.must("apt-get", ["remove", "--yes", "mini-chat-server"]);
      assert.notEqual((await machine.run("stat", [`/proc/${before}`])).code, 0);
      await machine.must("stat", [`${DATA}/mini-chat.db`, "/etc/default/mini-chat-server"]);
      await machine.must("dpkg", ["--install", `/mnt/next/${debianName("mini-chat-server", TARGET)}`]);
      assert.equal(await state(machine), "active");
      assert.match(await client(machine, "ana", ["history", "bob"]), /hello[\s\S]*still here/);
    });

    await step("purged, it leaves nothing but backups", async () => {
      await machine.must("apt-get", ["purge", "--yes", "mini-chat-server"]);
      for (
        const path of [
          DATA,
          "/etc/default/mini-chat-server",
          `/etc/systemd/system/multi-user.target.wants/${SERVICE}`,
          `/etc/systemd/system/timers.target.wants/${TIMER}`,
        ]
      ) {
        assert.notEqual((await machine.run("stat", [path])).code, 0, path);
      }
      assert.match(await machine.must("ls", [BACKUPS]), /./);
    });
  },
);
