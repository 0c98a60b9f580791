// Bytes relayed for each account, counted by all servers of a community together. Days are those of UTC.
import type { RelayedToday, RelayUse } from "../../../chat/counts.ts";
import type { Lane } from "../lane.ts";

const DAY_MS = 24 * 3_600_000;

// Rows of several accounts are locked in the order of ids, so that two servers never wait for each other.
const ADD = `
  INSERT INTO relay_use (account_id, day, bytes)
  SELECT account_id, $1::bigint, bytes FROM unnest($2::bigint[], $3::bigint[]) u (account_id, bytes) ORDER BY account_id
  ON CONFLICT (account_id, day) DO UPDATE SET bytes = relay_use.bytes + excluded.bytes`;
const TODAY = "SELECT bytes FROM relay_use WHERE account_id = $1 AND day = $2";
const CLEAR = "DELETE FROM relay_use WHERE day < $1";

export class PostgresRelayUse implements RelayUse {
  readonly #lane: Lane;
  #added = new Map<number, number>(); // bytes by account that the table does not have yet

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  async today(accountId: number): Promise<RelayedToday> {
    const day = today();
    let counted = 0;
    try {
      const rows = await this.#lane.run((connection) =>
        connection.rows<{ bytes: number }>(TODAY, [accountId, day])
      );
      counted = rows[0]?.bytes ?? 0;
    } catch {
      // the database is away
    }
    return { bytes: counted + (this.#added.get(accountId) ?? 0), until: (day + 1) * DAY_MS };
  }

  add(accountId: number, bytes: number): void {
    this.#added.set(accountId, (this.#added.get(accountId) ?? 0) + bytes);
  }

  /** Writes what was added. When that fails it is kept for the next time: better counted twice than not at all. */
  async write(): Promise<void> {
    if (this.#added.size === 0) return;
    const adding = this.#added;
    this.#added = new Map();
    const [ids, bytes] = [[...adding.keys()], [...adding.values()]];
    try {
      await this.#lane.run((connection) => connection.changes(ADD, [today(), ids, bytes]));
    } catch (error) {
      for (const [id, count] of adding) this.add(id, count);
      throw error;
    }
  }

  /** Deletes the days that are over. */
  async clearOld(): Promise<void> {
    await this.#lane.run((connection) => connection.changes(CLEAR, [today()]));
  }
}

function today(): number {
  return Math.floor(Date.now() / DAY_MS);
}
