/**
 * The operator's walk-through, `lib/store/postgres/README.md`, done as it is written: its blocks run in bash, on machines that
 * are folders here, while two people write to each other.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { clientCommand, type ProgramCommand, serverCommand, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { freePort } from "../helpers/ports.ts";
import { POSTGRES, PostgresCluster } from "../helpers/postgres.ts";
import { Program, runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { FaultProxy } from "../torture/fault_proxy.ts";

const PAGE = join(PROJECT_FOLDER, "lib/store/postgres/README.md");

/** How the page calls the machines, and their folders. */
const MACHINES = new Map([["your machine", "own"], ["the first server", "one"], [
  "the second server",
  "two",
]]);

/** The administrator needs no password here, and the servers' user needs the one of its URL. */
const WHO_MAY_ENTER = `
local all postgres trust
host all postgres 127.0.0.1/32 trust
host all mini_chat 127.0.0.1/32 scram-sha-256
`;

/** Between the machines, `scp` copies from folder to folder. */
const SCP = `#!/bin/bash
for word; do case "$word" in *:*) word="$MACHINES/\${word/://}" ;; esac; words+=("$word"); done
exec cp "\${words[@]}"
`;

interface Block {
  readonly section: string;
  readonly machines: readonly string[]; // their folders, in the order in which it is run there
  readonly commands: string;
}

async function blocksOf(page: string): Promise<Block[]> {
  const sections = (await Deno.readTextFile(page)).split(/^## /m);
  return sections.flatMap((text) =>
    [...text.matchAll(/^```sh\n# On (.*)\n([^]*?)^```$/gm)].map(([, machines = "", commands = ""]) => ({
      section: text.split("\n")[0]!,
      machines: machines.split(", then on ").map((name) => MACHINES.get(name)!),
      commands,
    }))
  );
}

/** Puts a program where the commands of the page find it. */
async function install(folder: string, name: string, text: string): Promise<void> {
  await Deno.writeTextFile(join(folder, name), text, { mode: 0o755 });
}

function starter({ command, args }: ProgramCommand): string {
  const words = [command, ...args].map((word) => `'${word}'`).join(" ");
  return `#!/bin/sh\nexec ${words} "$@"\n`;
}

testWith(
  ["linux", ...POSTGRES, { command: "psql" }, { command: "bash" }],
  "the walk-through leads from one server to two and back, and a restart of both loses nothing",
  async () => {
    await using opened = new AsyncDisposableStack();
    const folder = opened.use(tempFolder());
    const [bin, machines] = ["bin", "machines"].map((name) => join(folder.path, name)) as [string, string];
    for (const path of [bin, machines, ...[...MACHINES.values()].map((name) => join(machines, name))]) {
      await Deno.mkdir(path);
    }
    await install(bin, "mini-chat-server", starter(serverCommand()));
    await install(bin, "mini-chat-client", starter(clientCommand()));
    await install(bin, "scp", SCP);
    const cluster = opened.use(await PostgresCluster.start({ settings: { fsync: "off" } }));
    await Deno.writeTextFile(join(cluster.folder, "pg_hba.conf"), WHO_MAY_ENTER);
    await cluster.query("SELECT pg_reload_conf()");
    const ports: Record<string, number> = { own: 0, one: freePort(), two: freePort() };

    /** Runs a block at one machine, and gives what it printed. */
    async function run(machine: string, commands: string): Promise<string> {
      const { code, stdout, stderr } = await runProgram("bash", ["-euc", commands], {
        name: commands,
        cwd: join(machines, machine),
        env: {
          PATH: `${bin}:${Deno.env.get("PATH")}`,
          MACHINES: machines,
          MINI_CHAT_HOST: "127.0.0.1",
          MINI_CHAT_PORT: String(ports[machine]),
          ...{ PGHOST: "127.0.0.1", PGPORT: String(cluster.port), PGUSER: "postgres", PSQLRC: "/dev/null" },
          ...{ ONE: "one", TWO: "two", NAME: "127.0.0.1" },
        },
      });
      assert.equal(code, 0, `${commands}\n${stdout}${stderr}`);
      return stdout;
    }
    opened.defer(async () => {
      // Where the page did not come to its end.
      for (const machine of ["one", "two"]) {
        await run(machine, '[ ! -e server.pid ] || kill -9 "$(cat server.pid)" 2>/dev/null || true');
      }
    });

    // The one name leads each of them to another server, as long as that one listens.
    const anasWay = opened.use(FaultProxy.listenPreferring(ports.one!, ports.two!));
    const bobsWay = opened.use(FaultProxy.listenPreferring(ports.two!, ports.one!));
    const by = ({ port }: FaultProxy, link: string) => link.replace(/:\d+/, `:${port}`);
    const [ana, bob] = [new Person("ana", folder.path), new Person("bob", folder.path)];
    {
      await using alone = await startServer({ data: join(machines, "one", "data"), port: ports.one! });
      await ana.register(by(anasWay, alone.inviteLink));
      await alone.stop();
    }

    const sent: string[] = [];
    let bobsTail: Program | null = null;
    const write = async () => {
      const text = `message ${sent.length + 1}`;
      await ana.must(["send", "bob", text]);
      sent.push(text);
    };
    const printed: string[] = [];
    for (const { section, machines, commands } of await blocksOf(PAGE)) {
      for (const machine of machines) {
        if (!section.includes("restart")) {
          printed.push(await run(machine, commands));
          continue;
        }
        if (bobsTail === null) {
          await bob.register(by(bobsWay, printed.join("").match(/mini-chat:\S+/)![0]));
          bobsTail = opened.use(bob.start(["tail", "--json"]));
        }
        const restarting = run(machine, commands);
        const isDone = restarting.then(() => true);
        do await write(); while (!(await Promise.race([isDone, Promise.resolve(false)])));
        printed.push(await restarting);
        await write();
        for (const text of sent.slice(-2)) await bobsTail.waitForLine(new RegExp(`"text":"${text}"`));
      }
    }
    const shown = bobsTail!.stdout.trim().split("\n").map((line) => JSON.parse(line).text as string);
    assert.deepEqual(shown, sent);
    const links = printed.join("").match(/mini-chat:\S+/g)!.map((link) => link.replace(/:\d+/, ""));
    assert.equal(links.length, 4, "each start prints the link");
    assert.equal(new Set(links).size, 1, "which is the same everywhere");
    assert.match(printed.join(""), /\(2 rows\)/);
    assert.equal(printed.filter((text) => text.includes("Moved and compared.")).length, 2);
    const checked = printed.filter((text) => text.includes("The database is not damaged."));
    assert.deepEqual(checked.map((text) => text.match(/^messages: .*$/m)![0]), [
      `messages: ${sent.length}`,
      `messages: ${sent.length}`,
    ]);
  },
);
