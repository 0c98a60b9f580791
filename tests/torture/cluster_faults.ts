/**
 * Faults that need several servers on one database, in its place between them.
 * @module
 */
import { LoadConnection } from "../bench/load.ts";
import { type Fault, pause, within } from "./fault.ts";
import type { PacketFault } from "./firewall.ts";
import { NEXT_TABLE } from "./next_release.ts";
import type { ServerProcess } from "./server_process.ts";
import type { World } from "./world.ts";

/** How long a server may take to let people in once its database takes writes again, in milliseconds. */
const BACK_MS = 3_000;

/** How long a server that was cut off for long may take to open again, in milliseconds. */
const OPEN_AGAIN_MS = 10_000;

/** Within this time a server without its database closes its port, in milliseconds. */
const CLOSED_AFTER_MS = 15_000;

const needsServers = ({ database }: World) => database ? undefined : "needs --servers 2";
const needsFirewall = (world: World) =>
  needsServers(world) ?? (world.means.firewall ? undefined : "needs root, a network namespace and nft");

/** All of them. */
export const CLUSTER_FAULTS: readonly Fault[] = [
  {
    name: "one server frozen",
    inEachRound: true,
    holdMs: { short: [6_000, 6_000], long: [20_000, 20_000] },
    whyNot: needsServers,
    async inject(world, holdMs) {
      const server = world.anyServer();
      server.signal("SIGSTOP");
      await pause(holdMs);
      server.signal("SIGCONT");
      await letsPeopleIn(world, server, BACK_MS, "after it was frozen");
    },
  },
  {
    name: "PostgreSQL killed",
    inEachRound: true,
    holdMs: { short: [0, 1_000], long: [0, 5_000] },
    whyNot: needsServers,
    async inject(world, holdMs) {
      await world.database!.killFor(holdMs);
      await allLetPeopleIn(world, BACK_MS, "after PostgreSQL was killed");
    },
  },
  {
    name: "standby promoted",
    inEachRound: true,
    whyNot: needsServers,
    async inject(world) {
      await world.database!.failOver();
      await allLetPeopleIn(world, BACK_MS, "after the standby took over");
    },
  },
  {
    name: "server cut from the database, silent",
    inEachRound: true,
    holdMs: { short: [16_000, 16_000], long: [30_000, 30_000] },
    whyNot: needsFirewall,
    inject: (world, holdMs) => cutOff(world, holdMs, { kind: "silent" }),
  },
  {
    name: "server cut from the database, reset",
    inEachRound: true,
    holdMs: { short: [4_000, 4_000], long: [30_000, 30_000] },
    whyNot: needsFirewall,
    inject: (world, holdMs) => cutOff(world, holdMs, { kind: "reset" }),
  },
  {
    name: "news between servers lost",
    inEachRound: true,
    holdMs: { short: [4_000, 4_000], long: [12_000, 12_000] },
    whyNot: needsFirewall,
    async inject(world, holdMs) {
      const found = await world.database!.cutListeners({ kind: "silent" }, world.means.firewall!);
      await pause(holdMs);
      await world.means.firewall!.clear();
      if (found === 0) throw new Error("No server listens for news");
    },
  },
  {
    name: "rolling restart",
    inEachRound: true,
    whyNot: needsServers,
    async inject(world) {
      for (const server of world.servers) {
        mustBeZero(await server.stop());
        await server.startAgain();
        await letsPeopleIn(world, server, BACK_MS, "after a restart");
      }
    },
  },
  {
    // From its first time on, the other server runs on a database that is newer than itself.
    name: "one server updated, or put back",
    inEachRound: true,
    whyNot: needsServers,
    async inject(world) {
      const server = world.servers.at(-1)!;
      mustBeZero(await server.replaceBy(server.isOther ? undefined : world.means.nextRelease));
      if (!await world.database!.hasTable(NEXT_TABLE)) throw new Error("The next release changed nothing");
      await letsPeopleIn(world, server, BACK_MS, "after an update");
    },
  },
];

function mustBeZero(code: number): void {
  if (code !== 0) throw new Error(`A server that was stopped ended with ${code}`);
}

async function cutOff(world: World, holdMs: number, fault: PacketFault): Promise<void> {
  const server = world.anyServer();
  const startedAt = performance.now();
  await world.database!.cutFrom(world.servers.indexOf(server), fault, world.means.firewall!);
  if (holdMs > CLOSED_AFTER_MS) {
    await within(CLOSED_AFTER_MS, "close its port without its database", async () => {
      const isOpen = await Deno.connect({ hostname: "127.0.0.1", port: server.target.port }).then(
        (connection) => {
          connection.close();
          return true;
        },
        () => false,
      );
      if (isOpen) throw new Error("Its port is open");
    });
  }
  await pause(holdMs - (performance.now() - startedAt));
  await world.means.firewall!.clear();
  await letsPeopleIn(world, server, OPEN_AGAIN_MS, "after it was cut off from its database");
}

async function allLetPeopleIn(world: World, ms: number, when: string): Promise<void> {
  await Promise.all(world.servers.map((server) => letsPeopleIn(world, server, ms, when)));
}

/** Somebody signs in at this very server. */
async function letsPeopleIn(
  world: World,
  { target }: ServerProcess,
  ms: number,
  when: string,
): Promise<void> {
  const person = world.random.pick(world.flock);
  await within(ms, `let anybody in ${when}`, async () => {
    (await LoadConnection.signIn(target, person)).close();
  });
}
