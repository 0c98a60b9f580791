// What PostgreSQL says in its own words, for the verbs that are written once.
import { Kysely, PostgresDialect, sql } from "kysely";
import { noticeOf } from "./bus.ts";
import type { ServerTables } from "../verbs/schema.ts";
import type { ConversationRow, Dialect } from "../verbs/steps.ts";
import { type StoredText, wholeText } from "./hot/texts.ts";

/** Kysely builds and compiles queries; it runs none. */
const COMPILER = new PostgresDialect({ pool: () => Promise.reject(new TypeError("Kysely runs no queries")) });

// The row that passes the limit of bytes is still wanted, or the second where the first is too long alone: it tells that there
// is more.
const ONE_WAY = `
  SELECT sequence, id, sender_id AS "senderId", text, nul_at, bytes, stored_at AS "storedAt" FROM (
    SELECT *, sum(bytes) OVER (ORDER BY sequence DESC) AS total,
      row_number() OVER (ORDER BY sequence DESC) AS nth FROM (
      SELECT * FROM messages WHERE sender_id = $1 AND recipient_id = $2 AND sequence < $3
      ORDER BY sequence DESC LIMIT $4
    ) newest
  ) counted WHERE total - bytes <= $5 OR nth = 2 ORDER BY sequence DESC`;

/** From so many messages on, PostgreSQL's estimate is taken: it counts a million in some tenths of a second. */
const ESTIMATED_FROM = 100_000;

// As its planner does: rows on a page when it last looked, times the pages that there are now; 0 where it has never looked.
const ESTIMATE = `
  SELECT CASE WHEN relpages = 0 THEN 0
    ELSE round(reltuples / relpages * (pg_relation_size(oid) / current_setting('block_size')::int)) END AS messages
  FROM pg_class WHERE oid = 'messages'::regclass`;

const COUNT = "SELECT count(*) AS messages FROM messages";

/** With the places of U+0000 that belong to the text; the tables that both engines have do not name them. */
const NO_TEXT = { text: "", nul_at: null } as const;

export function postgresDialect(): Dialect {
  return {
    tables: new Kysely<ServerTables>({ dialect: COMPILER }),
    // Not `FOR UPDATE`: that would hold up whoever stores a row that refers to this one.
    forUpdate: (rows) => rows.forNoKeyUpdate(),
    listed: (json, type) =>
      sql`(SELECT value::${sql.raw(type)} FROM json_array_elements_text(${json}::json) value)`,
    textBytes: sql<number>`bytes`,
    noText: NO_TEXT,
    databaseBytes: sql<number>`pg_database_size(current_database())`,

    *roughMessages() {
      const estimate = (yield { sql: ESTIMATE, values: [], wanted: "rows" }) as [{ messages: number }];
      if (estimate[0].messages >= ESTIMATED_FROM) return { ...estimate[0], isEstimated: true };
      const counted = (yield { sql: COUNT, values: [], wanted: "rows" }) as [{ messages: number }];
      return { ...counted[0], isEstimated: false };
    },

    *readConversation({ senderId, recipientId, before, limit, maxBytes }) {
      const values = [senderId, recipientId, before, limit, maxBytes];
      const rows = (yield { sql: ONE_WAY, values, wanted: "rows" }) as (ConversationRow & StoredText)[];
      return rows.map(({ nul_at, ...row }) => ({ ...row, text: wholeText({ text: row.text, nul_at }) }));
    },

    // deno-lint-ignore require-yield -- PostgreSQL keeps its references itself; pg_amcheck looks at its files
    *checkFile() {
      return [];
    },

    *lastSequence() {
      const last = `SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS last FROM messages_sequence_seq`;
      return ((yield { sql: last, values: [], wanted: "rows" }) as { last: number }[])[0]!.last;
    },

    *setLastSequence(sequence) {
      yield { sql: "SELECT setval('messages_sequence_seq', $1)", values: [sequence], wanted: "rows" };
    },

    *announce(news) {
      const { channel, payload } = noticeOf(news);
      yield { sql: "SELECT pg_notify($1, $2)", values: [channel, payload], wanted: "rows" };
    },
  };
}
