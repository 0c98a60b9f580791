// Failed logins and registrations, counted by all servers of a community together. The table is unlogged: a crash of PostgreSQL
// forgets them, as a restart does where one server counts in memory.
import { type RateLimiterAbstract, RateLimiterPostgres } from "rate-limiter-flexible";
import type { TryLimit } from "../../../chat/counts.ts";
import type { Lane } from "../lane.ts";

const CLEAR_EXPIRED = "DELETE FROM rate_limits WHERE expire < $1";

/** Of the client that the library takes, all that it uses. */
interface StoreClient {
  query(
    query: { readonly text: string; readonly values: readonly unknown[] },
  ): Promise<{ readonly rows: unknown[]; readonly rowCount: number }>;
}

/** A counter in the table `rate_limits`, and the one in memory while the database is away. */
export function triesInPostgres(
  lane: Lane,
  { name, points, durationS }: TryLimit,
  inMemory: RateLimiterAbstract,
): RateLimiterAbstract {
  return new RateLimiterPostgres({
    points,
    duration: durationS,
    keyPrefix: name,
    storeClient: clientOf(lane),
    storeType: "client",
    tableName: "rate_limits",
    tableCreated: true, // by our migrations
    clearExpiredByTimeout: false, // see `clearExpired`
    insuranceLimiter: inMemory,
  });
}

/** Deletes what no longer counts. */
export async function clearExpired(lane: Lane): Promise<void> {
  await lane.run((connection) => connection.changes(CLEAR_EXPIRED, [Date.now()]));
}

function clientOf(lane: Lane): StoreClient {
  return {
    async query({ text, values }) {
      const rows = await lane.run((connection) => connection.rows(text, values));
      return { rows, rowCount: rows.length };
    },
  };
}
