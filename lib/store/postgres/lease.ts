// That this server lives, as the others see it: a row in `servers`, renewed by the database's clock. Whoever does not renew is
// gone, and the leader clears away what it left: the server that has lived longest. For a few seconds two may take themselves
// for it, so all that a leader does may be done twice. (A lock of PostgreSQL would stay with a leader that is frozen.) No fencing is
// needed: who is cut off from the database can store nothing.
import { sleep } from "../../waiting.ts";
import type { Connection } from "./connection.ts";
import type { Lane } from "./lane.ts";

export interface LeaseTimes {
  readonly beatEveryMs?: number; // BEAT_EVERY_MS by default
  readonly lostAfterMs?: number; // LOST_AFTER_MS by default
}

export interface LeaseOptions extends LeaseTimes {
  readonly server: string; // id, new at each start
  readonly version: string; // of the program, for the operator
  readonly relayAddress: string | null; // where other servers reach its relay; null when they cannot
  /** The row was there no more: the server was frozen, or PostgreSQL has crashed. What it wrote is gone as well. */
  onRenewed(): void;
  /** The database has been away for long: nobody can be served here until `onBack`. */
  onLost(): void;
  onBack(): void;
}

export interface LivingServer {
  readonly id: string;
  readonly relayAddress: string | null;
}

const BEAT_EVERY_MS = 5_000;
const GONE_AFTER_MS = 15_000;
const LOST_AFTER_MS = 10_000;
const BEAT_DEADLINE_MS = 3_000;
const REST_AFTER_FAILURE_MS = 500;

/** Time of the database in epoch milliseconds: clocks of servers may differ. */
export const DATABASE_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
/** For a row of `servers` named s. */
export const IS_ALIVE = `s.beat_at > ${DATABASE_NOW} - ${GONE_AFTER_MS}`;

// xmax is 0 in a row that was inserted, and not in one that was updated.
const BEAT = `
  INSERT INTO servers (id, version, relay_address, beat_at) VALUES ($1, $2, $3, ${DATABASE_NOW})
  ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at
  RETURNING xmax = 0 AS inserted`;
const LIVING = `
  SELECT s.id, s.relay_address AS "relayAddress" FROM servers s WHERE ${IS_ALIVE} ORDER BY s.since, s.id`;

// A server that comes back in this moment renews its row first, and writes its presence after it: either the row is seen
// here, or it finds that it was cleared away and writes everything again.
const CLEAR_SERVERS = `DELETE FROM servers s WHERE NOT ${IS_ALIVE} RETURNING s.id, s.beat_at`;
const NOTE_SEEN = `
  UPDATE accounts a SET last_seen_at = greatest(a.last_seen_at, gone.beat_at)
  FROM presence p JOIN unnest($1::text[], $2::bigint[]) gone (id, beat_at) ON gone.id = p.server_id
  WHERE a.id = p.account_id`;
const CLEAR_PRESENCE =
  "DELETE FROM presence p WHERE NOT EXISTS (SELECT FROM servers s WHERE s.id = p.server_id)";

/** Made by {@linkcode openLease}. */
export class Lease implements AsyncDisposable {
  readonly #lane: Lane;
  readonly #options: LeaseOptions;
  readonly #closing = new AbortController();
  readonly #beating: Promise<void>;
  #living: readonly LivingServer[] = [];
  #beatenAt = performance.now();
  #isHeld = true;

  constructor(lane: Lane, options: LeaseOptions) {
    this.#lane = lane;
    this.#options = options;
    this.#beating = this.#keepBeating();
  }

  /** Whether the others take this server to be alive, as far as it knows. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Whether this server does what one has to do for all. */
  get isLeader(): boolean {
    return this.#isHeld && this.#living[0]?.id === this.#options.server;
  }

  /** All servers as of the last beat, this one with them; those that have lived longest come first. */
  get living(): readonly LivingServer[] {
    return this.#living;
  }

  /** One beat; the first is made before anything else. */
  async beat(): Promise<void> {
    const { server, version, relayAddress } = this.#options;
    await this.#lane.run(async (connection) => {
      const [beats, living] = await connection.pipeline([
        { sql: BEAT, values: [server, version, relayAddress] },
        { sql: LIVING },
      ], BEAT_DEADLINE_MS) as [{ inserted: boolean }[], LivingServer[]];
      this.#living = living;
      this.#beatenAt = performance.now();
      if (beats[0]!.inserted) this.#options.onRenewed();
      if (this.isLeader) await clearAway(connection);
    });
  }

  /** The others are told that this server has gone. Its presence has to be cleared before. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the lease was closed"));
    await this.#beating;
    const bye = { sql: "DELETE FROM servers WHERE id = $1", values: [this.#options.server] };
    await this.#lane.run((connection) => connection.query(bye, BEAT_DEADLINE_MS)).catch(() => {});
  }

  async #keepBeating(): Promise<void> {
    const { signal } = this.#closing;
    const { beatEveryMs = BEAT_EVERY_MS, lostAfterMs = LOST_AFTER_MS } = this.#options;
    const rest = (ms: number) => sleep(ms, signal).catch(() => {});
    await rest(beatEveryMs);
    while (!signal.aborted) {
      const failed = await this.beat().then(() => false, () => true);
      // Looked at after an attempt: a process that was frozen for long is not lost when its first beat succeeds.
      const isHeld = performance.now() - this.#beatenAt < lostAfterMs;
      if (isHeld !== this.#isHeld) {
        this.#isHeld = isHeld;
        if (isHeld) this.#options.onBack();
        else this.#options.onLost();
      }
      await rest(failed ? REST_AFTER_FAILURE_MS : beatEveryMs);
    }
  }
}

async function clearAway(connection: Connection): Promise<void> {
  await connection.transaction(async () => {
    const gone = await connection.rows<{ id: string; beat_at: number }>(CLEAR_SERVERS);
    const left = [gone.map(({ id }) => id), gone.map(({ beat_at }) => beat_at)];
    const noteSeen = gone.length === 0 ? [] : [{ sql: NOTE_SEEN, values: left }];
    await connection.commit([...noteSeen, { sql: CLEAR_PRESENCE }]);
  });
}

/** Begins to live: from now on the others count this server. */
export async function openLease(lane: Lane, options: LeaseOptions): Promise<Lease> {
  const lease = new Lease(lane, options);
  try {
    await lease.beat();
    return lease;
  } catch (error) {
    await lease[Symbol.asyncDispose]();
    throw error;
  }
}
