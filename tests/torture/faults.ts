/**
 * Faults of a server, its callers and the network between them: what each does to whom, for how long, and how it is healed.
 * @module
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LoadConnection } from "../bench/load.ts";
import { databaseOf } from "../helpers/population.ts";
import { CERTIFICATE_NAME } from "../../lib/net/identity.ts";
import { HostileConnection } from "../fuzz/hostile_connection.ts";
import { runServer } from "../helpers/mini_chat.ts";
import { countDescriptors } from "../helpers/program.ts";
import { loopbackAddress, SilentCallers } from "../helpers/silent_callers.ts";
import { type Fault, pause, within } from "./fault.ts";
import { SERVER_DESCRIPTORS, type ServerProcess } from "./server_process.ts";
import type { World } from "./world.ts";

/** How long the server may take to accept again once it can, in milliseconds. */
const COME_BACK_MS = 5_000;

/** Room that emptying the database's log may take, in bytes. */
const LOG_ROOM_BYTES = 16 * 1024 * 1024;

/** How long the whole flock may take to be back after a restart, in milliseconds. */
const FLOCK_BACK_MS = 30_000;

/** Callers who are silent in their handshake. */
const SILENT_CALLERS = 3_000;

/** What an operator types beside a running server; each opens the database once more, and some have the server open it too. */
const SUBCOMMANDS: readonly (readonly string[])[] = [
  ["status", "--json"],
  ["user", "list"],
  ["check"],
  ["invite", "new"],
  ["audit"],
  ["lockdown", "off"],
];

/** Descriptors by which the server's may differ from one moment to the other while people come and go. */
const SPARE_DESCRIPTORS = 60;

const needsShim = ({ means }: World) => means.shim ? undefined : "needs Linux and a C compiler";
const needsFile = ({ database }: World) => database ? "the servers have no file of their own" : undefined;
const needsFirewall = ({ means }: World) =>
  means.firewall ? undefined : "needs root, a network namespace and nft";

/** All of them. */
export const FAULTS: readonly Fault[] = [
  {
    name: "server killed",
    inEachRound: true,
    async inject(world) {
      const server = world.anyServer();
      await server.kill();
      await pause(world.random.integer(0, 1_000));
      await server.startAgain();
    },
  },
  {
    name: "server restarted",
    async inject(world) {
      const server = world.anyServer();
      const code = await server.stop();
      await server.startAgain();
      if (code !== 0) throw new Error(`The server stopped with ${code}`);
    },
  },
  {
    name: "server frozen",
    async inject(world, holdMs) {
      const server = world.anyServer();
      server.signal("SIGSTOP");
      await pause(holdMs);
      server.signal("SIGCONT");
    },
  },
  {
    name: "client killed",
    async inject(world) {
      for (let times = 0; times < 3; times++) {
        const device = world.anyDevice();
        await device.kill();
        await pause(world.random.integer(0, 400));
        device.start();
        await pause(world.random.integer(300, 900));
      }
    },
  },
  {
    name: "client frozen",
    async inject(world, holdMs) {
      const device = world.anyDevice();
      device.freeze();
      await pause(holdMs);
      device.thaw();
    },
  },
  {
    name: "link cut",
    async inject(world, holdMs) {
      for (const endsAt = performance.now() + holdMs; performance.now() < endsAt;) {
        world.anyDevice().options.proxy.cut();
        await pause(world.random.integer(20, 200));
      }
    },
  },
  {
    name: "link silent",
    async inject(world, holdMs) {
      const { proxy } = world.anyDevice().options;
      proxy.set({ isStalled: true });
      await pause(holdMs);
      proxy.set({});
    },
  },
  {
    name: "link slow",
    async inject(world, holdMs) {
      const { proxy } = world.anyDevice().options;
      proxy.set({
        delayMs: world.random.integer(20, 300),
        bytesPerSecond: world.random.integer(2_000, 50_000),
      });
      await pause(holdMs);
      proxy.set({});
    },
  },
  {
    name: "half-open, client gone",
    async inject(world, holdMs) {
      const { proxy } = world.anyDevice().options;
      proxy.cutHalf("client");
      await pause(holdMs);
      proxy.dropOrphans();
    },
  },
  {
    name: "half-open, server gone",
    async inject(world, holdMs) {
      const { proxy } = world.anyDevice().options;
      proxy.cutHalf("server");
      await pause(holdMs);
      proxy.dropOrphans();
    },
  },
  {
    name: "packets lost",
    whyNot: needsFirewall,
    async inject(world, holdMs) {
      const { proxy } = world.anyDevice().options;
      await world.means.firewall!.add({ kind: "lossy", percent: world.random.integer(5, 30) }, proxy);
      await pause(holdMs);
      await world.means.firewall!.clear();
    },
  },
  {
    name: "packets over a rate lost",
    whyNot: needsFirewall,
    async inject(world, holdMs) {
      const { proxy } = world.anyDevice().options;
      await world.means.firewall!.add({ kind: "slow", packetsPerSecond: world.random.integer(5, 30) }, proxy);
      await pause(holdMs);
      await world.means.firewall!.clear();
    },
  },
  {
    name: "connections reset",
    whyNot: needsFirewall,
    async inject(world, holdMs) {
      const { proxy } = world.anyDevice().options;
      await world.means.firewall!.add({ kind: "reset" }, proxy);
      await pause(holdMs / 2);
      await world.means.firewall!.clear();
    },
  },
  {
    name: "disk full",
    whyNot: (world) =>
      needsFile(world) ??
        (world.means.smallDisk ? undefined : "needs root, for a small file system of its own"),
    async inject(world, holdMs) {
      const [{ data }] = world.servers as [ServerProcess];
      const balloons = ["balloon-1", "balloon-2"].map((name) => join(data, name)) as [string, string];
      await fill(balloons[0]);
      // Else the log of the database would still have room in itself for a while: it is emptied, with room for that,
      // and what it leaves is filled too.
      await Deno.truncate(balloons[0], (await Deno.stat(balloons[0])).size - LOG_ROOM_BYTES);
      emptyLog(databaseOf(data));
      await fill(balloons[1]);
      await pause(holdMs);
      for (const balloon of balloons) await Deno.remove(balloon);
    },
  },
  {
    name: "database moved away, and back",
    whyNot: needsFile,
    async inject(world, holdMs) {
      const server = world.anyServer();
      const database = databaseOf(server.data);
      const isKilled = world.random.chance(0.5);
      await Deno.rename(database, `${database}.aside`);
      await pause(holdMs);
      if (isKilled) await server.kill();
      await Deno.rename(`${database}.aside`, database);
      if (isKilled) await server.startAgain();
    },
  },
  {
    name: "operator at work, then killed",
    whyNot: needsFile,
    async inject(world) {
      const server = world.anyServer();
      for (let times = 0; times < 3; times++) await runSubcommand(world.random.pick(SUBCOMMANDS), server);
      await server.kill();
      await server.startAgain();
    },
  },
  {
    name: "fsync takes 20 ms",
    whyNot: (world) => needsFile(world) ?? needsShim(world),
    inject: (world, holdMs) => slowDisk(world, holdMs, 20),
  },
  {
    name: "fsync takes 200 ms",
    whyNot: (world) => needsFile(world) ?? needsShim(world),
    inject: (world, holdMs) => slowDisk(world, holdMs, 200),
  },
  {
    name: "clock jumps",
    whyNot: needsShim,
    async inject(world, holdMs) {
      const { control } = world.anyServer();
      control!.set({ clockAheadS: world.random.pick([-86_400, -3_600, -60, 60, 3_600, 86_400]) });
      await pause(holdMs);
      control!.set({ clockAheadS: 0 });
    },
  },
  {
    name: "descriptors used up",
    async inject(world, holdMs) {
      const { target } = world.anyServer();
      const held: Deno.TlsConn[] = [];
      for (let count = 0; count < SERVER_DESCRIPTORS + 50; count++) {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port: target.port });
        // They shake hands, since the server puts out who does not; the last ones cannot while the others stay.
        const caCerts = [target.certificatePem];
        held.push(await Deno.startTls(connection, { hostname: CERTIFICATE_NAME, caCerts }));
      }
      await pause(holdMs);
      for (const connection of held) connection.close();
      await within(COME_BACK_MS, "accept again after descriptors were used up", async () => {
        (await LoadConnection.signIn(target, world.flock[0]!)).close();
      });
    },
  },
  {
    name: "3,000 callers silent",
    whyNot: () => Deno.build.os === "linux" ? undefined : "needs Linux",
    async inject(world, holdMs) {
      const { pid, target } = world.anyServer();
      const before = await countDescriptors(pid);
      // Half of them from one address, the others each from its own.
      const addressOf = (n: number) => loopbackAddress(256 + (n % 2 === 0 ? 0 : n));
      const silent = await SilentCallers.call(target.port, SILENT_CALLERS, addressOf);
      await within(COME_BACK_MS, "let somebody in while 3,000 callers are silent", async () => {
        (await LoadConnection.signIn(target, world.flock[0]!)).close();
      });
      await pause(holdMs);
      await silent.leave();
      await within(COME_BACK_MS, "give back the descriptors of silent callers", async () => {
        const left = await countDescriptors(pid);
        if (left > before + SPARE_DESCRIPTORS) throw new Error(`${left} are held, ${before} before`);
      });
    },
  },
  {
    name: "a client never reads",
    async inject(world, holdMs) {
      const deaf = await HostileConnection.openDeaf(world.target, world.deaf.token);
      await deaf.tell("subscribe", { after: 0 });
      await pause(holdMs);
      deaf.close();
    },
  },
  {
    name: "200 clients back at once",
    async inject(world) {
      const signIn = () =>
        Promise.all(world.flock.map(async (person) => {
          const connection = await LoadConnection.signIn(world.target, person);
          await connection.ask("subscribe", {});
          return connection;
        }));
      const before = await signIn();
      await Promise.all(world.servers.map((server) => server.kill()));
      await Promise.all(before.map(({ finished }) => finished));
      await Promise.all(world.servers.map((server) => server.startAgain()));
      await within(FLOCK_BACK_MS, "let 200 clients in at once", async () => {
        for (const connection of await signIn()) connection.close();
      });
    },
  },
];

/** As an operator: it must work, whatever the server is doing. */
async function runSubcommand(args: readonly string[], { data }: ServerProcess): Promise<void> {
  const { code, stderr } = await runServer([...args, "--data", data]);
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
}

async function slowDisk(world: World, holdMs: number, fsyncMs: number): Promise<void> {
  const { control } = world.anyServer();
  control!.set({ fsyncMs });
  await pause(holdMs);
  control!.set({ fsyncMs: 0 });
}

/** Moves what is in the write-ahead log into the database, and makes the log empty. */
function emptyLog(path: string): void {
  const database = new DatabaseSync(path, { timeout: 2_000 });
  try {
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    database.close();
  }
}

/** Writes a file until there is no room left. */
async function fill(path: string): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true });
  for (let size = 1 << 20; size >= 1; size >>= 2) {
    const bytes = new Uint8Array(size);
    try {
      for (;;) await file.write(bytes);
    } catch {
      // No room for a piece of this size: smaller ones may still fit.
    }
  }
}
