/**
 * What happens to a chat of the lab while it runs.
 * @module
 */
import { BOBS_ROUTER, buildHomes, moveToPhone } from "./homes.ts";
import type { LabNetwork, LabNode, RouterKind } from "./network.ts";
import type { NetworkRow } from "./networks.ts";
import type { Scene } from "./scene.ts";

/** One row of the lab: something that happens in a running chat. */
export type EventRow = NetworkRow & {
  /** Plays it; returns from when on lines are to come back, on the clock of `performance.now()`: the network's return. */
  readonly happen: (scene: Scene) => Promise<number>;
  /** Routes that are allowed once it is over; those before it by default. */
  readonly expectedAfter?: readonly string[];
  /** How long the next lines may take afterwards, in seconds; 10 by default. */
  readonly backWithinS?: number;
  /** Length of the lines that have to arrive then, in bytes; short by default. */
  readonly lineBytes?: number;
  /** How often a screen may say that the connection is lost; once by default. */
  readonly lossesAllowed?: number;
  /** Whether a file is to come over afterwards. */
  readonly sendsFile?: boolean;
};

/** A way that lines take before and after an event, and routers between which physics allows no better one. */
type Way = { readonly route: "direct, punched" | "relayed"; readonly routers: RouterKind };

const PUNCHED: Way = { route: "direct, punched", routers: "drop" };
const RELAYED: Way = { route: "relayed", routers: "symmetric" };

/** How long a person who moves is without a network, in milliseconds. */
const MOVES_MS = [5_000, 40_000];
/** How long the server is away when it is restarted, in milliseconds. */
const SERVER_AWAY_MS = 2_000;
/** How long a router is away when it is restarted, in milliseconds. */
const ROUTER_AWAY_MS = 5_000;
/** After how many seconds of silence a forgetful router forgets a connection. */
const FORGETS_AFTER_S = 60;
/** How long the chat is silent then, in milliseconds. */
const SILENCE_MS = 75_000;
/** The biggest packet that passes where a tunnel is on the way and nobody tells of it, in bytes. */
const BIGGEST_PACKET_BYTES = 1280;
/** A line that does not fit into it. */
const LONG_LINE_BYTES = 6_000;
/** A way that takes nothing more counts as dead after 20 s at most, and the next one has 10 s. */
const BACK_FROM_STALL_S = 30;
/** How long a file may take to fail where nothing big gets through, in milliseconds. */
const FILE_FAILS_WITHIN_MS = 120_000;

/** Every event, in the order of the table. */
export const EVENTS: readonly EventRow[] = [
  ...["ana", "bob"].flatMap((mover) =>
    [PUNCHED, RELAYED].flatMap((way) => MOVES_MS.map((awayMs) => move(mover as "ana" | "bob", way, awayMs)))
  ),
  restartRouter("ana", PUNCHED),
  restartRouter("ana", RELAYED),
  restartRouter("bob", PUNCHED),
  restartRouter("bob", RELAYED),
  { ...restartServer(PUNCHED), lossesAllowed: 0 },
  restartServer(RELAYED),
  { ...fallSilent(PUNCHED), lossesAllowed: 0 },
  { ...fallSilent(RELAYED), lossesAllowed: 0 },
  {
    title: "long line where only small packets pass, punched",
    expected: [PUNCHED.route],
    build: () => buildHomes("drop", "drop", { onAnasRouter: dropBigPacketsBetweenHomes }),
    happen: () => Promise.resolve(performance.now()),
    expectedAfter: [RELAYED.route],
    lineBytes: LONG_LINE_BYTES,
    backWithinS: BACK_FROM_STALL_S,
    sendsFile: true,
  },
  {
    title: "file where only small packets pass, everywhere",
    expected: [PUNCHED.route],
    build: () => buildHomes("drop", "drop", { onAnasRouter: dropBigPackets }),
    happen: failToSendFile,
    expectedAfter: [PUNCHED.route, RELAYED.route],
    // It is tried on either way, and each has to be found dead.
    backWithinS: 2 * BACK_FROM_STALL_S,
    lossesAllowed: Infinity,
  },
];

/** One of the two goes on in another network, under another address. */
function move(mover: "ana" | "bob", { route, routers }: Way, awayMs: number): EventRow {
  return {
    title: `${roleOf(mover)} changes network, ${awayMs / 1000} s away, ${wordFor(route)}`,
    expected: [route],
    build: () => buildHomes(routers, routers, { mover }),
    happen: async ({ site }) => {
      await moveToPhone(site, site[mover], awayMs);
      return performance.now();
    },
  };
}

/** The router of one of the two starts again: the same addresses, and no memory of any connection. */
function restartRouter(owner: "ana" | "bob", { route, routers }: Way): EventRow {
  return {
    title: `${roleOf(owner)}'s router restarts, ${wordFor(route)}`,
    expected: [route],
    build: () => buildHomes(routers, routers),
    happen: async ({ site: { network } }) => {
      const router = network.getNode(`${owner}-rt`);
      await network.turnOff(router);
      await rest(ROUTER_AWAY_MS);
      await network.turnOn(router);
      return performance.now();
    },
  };
}

/** The server starts again. */
function restartServer({ route, routers }: Way): EventRow {
  return {
    title: `server restarts, ${wordFor(route)}`,
    expected: [route],
    build: () => buildHomes(routers, routers),
    happen: async (scene) => {
      await scene.restartServer(SERVER_AWAY_MS);
      return performance.now();
    },
  };
}

/** Nobody says anything for longer than the routers remember. */
function fallSilent({ route, routers }: Way): EventRow {
  return {
    title: `75 s of silence, NAT forgets after 60 s, ${wordFor(route)}`,
    expected: [route],
    build: () => buildHomes(routers, routers, { forgetsAfterS: FORGETS_AFTER_S }),
    happen: async ({ talk }) => {
      talk.pause();
      await rest(SILENCE_MS);
      return performance.now();
    },
  };
}

/** A file that cannot get through has to fail in words, on both screens; lines wait behind it until then. */
async function failToSendFile(scene: Scene): Promise<number> {
  const { acceptedAt } = await scene.beginFile();
  const withinMs = FILE_FAILS_WITHIN_MS;
  await Promise.all([
    scene.ana.waitFor(/photos\.tar was not sent/, { withinMs }),
    scene.bob.waitFor(/photos\.tar was not received/, { withinMs }),
  ]);
  return acceptedAt;
}

/** Big packets vanish between the two homes, and nobody is told. */
async function dropBigPacketsBetweenHomes(network: LabNetwork, router: LabNode): Promise<void> {
  await dropBig(network, router, `ip saddr ${BOBS_ROUTER}`, `ip daddr ${BOBS_ROUTER}`);
}

/** Big packets vanish on every way out of and into ana's home, and nobody is told. */
async function dropBigPackets(network: LabNetwork, router: LabNode): Promise<void> {
  await dropBig(network, router, "");
}

async function dropBig(network: LabNetwork, router: LabNode, ...which: string[]): Promise<void> {
  await network.setRules(
    router,
    `table ip tunnel { chain through { type filter hook forward priority -5;
      ${which.map((packets) => `${packets} meta length > ${BIGGEST_PACKET_BYTES} drop`).join("\n")}
    }
    }`,
  );
}

function roleOf(person: "ana" | "bob"): string {
  return { ana: "host", bob: "joiner" }[person];
}

function wordFor(route: Way["route"]): string {
  return route.replace("direct, ", "");
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
