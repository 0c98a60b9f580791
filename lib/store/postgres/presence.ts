// Who is present at which server, in a table that costs no disk: unlogged, and written in batches. A row counts while its
// server lives. After a crash of PostgreSQL the table is empty, and every server writes again all that it holds.
import type { PresentState, SharedPresence } from "../../chat/cluster.ts";
import { sleep } from "../../waiting.ts";
import type { Lane } from "./lane.ts";
import { IS_ALIVE } from "./lease.ts";

const WRITE = `
  INSERT INTO presence (account_id, server_id, is_idle, device_ids)
  SELECT account_id, $1, is_idle, string_to_array(device_ids, ',')
  FROM unnest($2::bigint[], $3::smallint[], $4::text[]) u (account_id, is_idle, device_ids)
  ON CONFLICT (account_id, server_id) DO UPDATE SET is_idle = excluded.is_idle, device_ids = excluded.device_ids`;
const TAKE_AWAY = "DELETE FROM presence WHERE server_id = $1 AND account_id = ANY($2::bigint[])";
const TAKE_ALL_AWAY = "DELETE FROM presence WHERE server_id = $1";
const ELSEWHERE = `
  SELECT p.account_id, min(p.is_idle) AS is_idle FROM presence p JOIN servers s ON s.id = p.server_id
  WHERE p.account_id = ANY($1::bigint[]) AND p.server_id <> $2 AND ${IS_ALIVE}
  GROUP BY p.account_id`;
const DEVICES_ELSEWHERE = `
  SELECT unnest(p.device_ids) AS id FROM presence p JOIN servers s ON s.id = p.server_id
  WHERE p.account_id = $1 AND p.server_id <> $2 AND ${IS_ALIVE}`;

/** Shortest time between two writes: what comes in it is written together. */
const GATHER_MS = 20;
const REST_AFTER_FAILURE_MS = 1_000;

/** Most accounts in one write. */
const MAX_BATCH = 1_000;

interface PresentHere {
  readonly state: PresentState;
  readonly deviceIds: readonly string[];
}

export class PostgresPresence implements SharedPresence, AsyncDisposable {
  readonly #server: string;
  readonly #lane: Pick<Lane, "run">;
  readonly #here = new Map<number, PresentHere>();
  readonly #changed = new Set<number>(); // accounts that the table may know otherwise
  readonly #closing = new AbortController();
  #writing: Promise<void> | null = null;

  constructor(server: string, lane: Pick<Lane, "run">) {
    this.#server = server;
    this.#lane = lane;
  }

  /** Accounts that are present at this server. */
  here(): number[] {
    return [...this.#here.keys()];
  }

  async elsewhere(accountIds: readonly number[]): Promise<ReadonlyMap<number, PresentState>> {
    if (accountIds.length === 0) return new Map();
    type Row = { account_id: number; is_idle: 0 | 1 };
    try {
      const rows = await this.#lane.run((connection) =>
        connection.rows<Row>(ELSEWHERE, [accountIds, this.#server])
      );
      return new Map(rows.map(({ account_id, is_idle }) => [account_id, is_idle === 1 ? "idle" : "online"]));
    } catch {
      return new Map(); // the database is away
    }
  }

  async devicesElsewhere(accountId: number): Promise<readonly string[]> {
    try {
      const rows = await this.#lane.run((connection) =>
        connection.rows<{ id: string }>(DEVICES_ELSEWHERE, [accountId, this.#server])
      );
      return rows.map(({ id }) => id);
    } catch {
      return []; // the database is away
    }
  }

  noteHere(accountId: number, state: PresentState | "offline", deviceIds: readonly string[]): void {
    if (state === "offline") this.#here.delete(accountId);
    else this.#here.set(accountId, { state, deviceIds });
    this.#change([accountId]);
  }

  /** Writes all again: the table may have lost it. */
  writeAll(): void {
    this.#change(this.#here.keys());
  }

  /** Takes everybody of this server away. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the presence was closed"));
    await this.#writing;
    const query = { sql: TAKE_ALL_AWAY, values: [this.#server] };
    await this.#lane.run((connection) => connection.query(query)).catch(() => {});
  }

  #change(accountIds: Iterable<number>): void {
    for (const id of accountIds) this.#changed.add(id);
    if (this.#changed.size > 0) this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    const { signal } = this.#closing;
    try {
      while (this.#changed.size > 0 && !signal.aborted) {
        await sleep(GATHER_MS, signal).catch(() => {});
        const batch = [...this.#changed].slice(0, MAX_BATCH);
        for (const id of batch) this.#changed.delete(id);
        try {
          await this.#writeBatch(batch);
        } catch {
          for (const id of batch) this.#changed.add(id);
          await sleep(REST_AFTER_FAILURE_MS, signal).catch(() => {});
        }
      }
    } finally {
      this.#writing = null; // in one go with the last look for changes, so that none falls between
    }
  }

  async #writeBatch(accountIds: readonly number[]): Promise<void> {
    const present = accountIds.filter((id) => this.#here.has(id));
    const absent = accountIds.filter((id) => !this.#here.has(id));
    const flags = present.map((id) => this.#here.get(id)!.state === "idle" ? 1 : 0);
    const devices = present.map((id) => this.#here.get(id)!.deviceIds.join(","));
    const queries = [
      { sql: WRITE, values: [this.#server, present, flags, devices] },
      { sql: TAKE_AWAY, values: [this.#server, absent] },
    ].filter((_, index) => (index === 0 ? present : absent).length > 0);
    await this.#lane.run((connection) => connection.pipeline(queries));
  }
}
