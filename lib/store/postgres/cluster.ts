// What a server on PostgreSQL shares with the others of its community, over five connections beside those of the store: one
// listens, one notifies, one carries the lease, who is present, and the sweep; one the open direct chats, and one what is counted.
import type { ChatEntries } from "../../chat/chat_entries.ts";
import type { Cluster } from "../../chat/cluster.ts";
import { openBus, type PostgresBus } from "./bus.ts";
import type { Counts } from "../../chat/counts.ts";
import { PostgresChatEntries } from "./chat_entries.ts";
import { openCounts } from "./counts/counts.ts";
import { openLane } from "./lane.ts";
import { type Lease, type LeaseOptions, openLease } from "./lease.ts";
import { PostgresPresence } from "./presence.ts";
import { Sweep } from "./sweep.ts";
import type { DatabaseUrl } from "./url.ts";

/** How long presence and lease wait for a connection: they have something to fall back on. */
const WAIT_MS = 1_000;

export interface ClusterOptions extends Omit<LeaseOptions, "server" | "onRenewed"> {
  readonly sweepEveryMs?: number; // as `SweepOptions.everyMs`
}

/** Made by {@linkcode openCluster}. Disposing of it tells the others that this server has gone. */
export interface PostgresCluster extends Cluster, AsyncDisposable {
  readonly bus: PostgresBus;
  readonly lease: Lease;
  readonly openChats: ChatEntries;
  readonly counts: Counts;
}

/**
 * Joins the servers of a community. The schema has to be there.
 * @throws {UsageError} The database cannot be reached, or does not pass on notifications.
 */
export async function openCluster(url: DatabaseUrl, options: ClusterOptions): Promise<PostgresCluster> {
  await using opened = new AsyncDisposableStack();
  let lease: Lease | null = null;
  const bus = opened.use(await openBus(url, () => lease?.living.length ?? 1));
  const lane = opened.use(await openLane(url, { name: "presence", loseable: true, waitMs: WAIT_MS }));
  const chats = opened.use(await openLane(url, { name: "chats" }));
  const counts = opened.use(await openCounts(url));
  const { server } = bus;
  const presence = new PostgresPresence(server, lane);
  lease = opened.use(
    await openLease(lane, { ...options, server, onRenewed: () => presence.writeAll() }),
  );
  opened.use(presence); // cleared away before the lease
  const sweep = opened.use(
    new Sweep(lane, {
      present: () => presence.here(),
      hear: (highest) => bus.hear({ type: "highest", highest }),
      ...(options.sweepEveryMs === undefined ? {} : { everyMs: options.sweepEveryMs }),
    }),
  );
  opened.use(bus.listen(() => {}, () => sweep.sweepNow()));
  const resources = opened.move();
  return {
    bus,
    presence,
    lease,
    openChats: new PostgresChatEntries(chats),
    counts,
    servers: () => lease.isHeld ? lease.living.length : 0,
    isLeader: () => lease.isLeader,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
