// What SQLite says in its own words, for the verbs that are written once.
import { sql } from "kysely";
import type { Database } from "../../sqlite/database.ts";
import { fileProblems } from "../../sqlite/file_check.ts";
import type { ServerTables } from "../verbs/schema.ts";
import type { ConversationPage, Dialect } from "../verbs/steps.ts";
import { textBytes, wholeTextReader } from "./whole_text.ts";

export function sqliteDialect(database: Database<ServerTables>): Dialect {
  const { tables } = database;
  const wholeText = wholeTextReader(database);
  const oneWay = database.prepare((p: ConversationPage) =>
    tables.selectFrom("messages")
      .select(["sequence", "id", "sender_id as senderId", "text", "stored_at as storedAt"])
      .select(textBytes.as("bytes"))
      .where("sender_id", "=", p.senderId).where("recipient_id", "=", p.recipientId)
      .where("sequence", "<", p.before).orderBy("sequence", "desc").limit(p.limit)
  );
  return {
    tables,
    forUpdate: (rows) => rows,
    listed: (json) => sql`(SELECT value FROM json_each(${json}))`,
    textBytes,
    noText: { text: "" },
    databaseBytes: sql<number>`(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)`,

    *roughMessages() {
      const rows = yield { sql: "SELECT count(*) AS messages FROM messages", values: [], wanted: "rows" };
      return { ...(rows as { messages: number }[])[0]!, isEstimated: false };
    },

    // deno-lint-ignore require-yield -- rows are read one by one, and no more of them than fit
    *readConversation(page) {
      const rows = [];
      let bytes = 0;
      for (const row of oneWay.iterate(page)) {
        rows.push(row);
        if (bytes > page.maxBytes) break;
        bytes += row.bytes;
      }
      return rows.map((row) => ({ ...row, text: wholeText(row) }));
    },

    // deno-lint-ignore require-yield -- Kysely has no words for it
    *checkFile() {
      return fileProblems(database.connection);
    },

    *lastSequence() {
      const rows = yield {
        sql: "SELECT seq FROM sqlite_sequence WHERE name = 'messages'",
        values: [],
        wanted: "rows",
      };
      return (rows as { seq: number }[])[0]?.seq ?? 0;
    },

    *setLastSequence(sequence) {
      yield { sql: "DELETE FROM sqlite_sequence WHERE name = 'messages'", values: [], wanted: "changes" };
      const sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('messages', ?)";
      yield { sql, values: [sequence], wanted: "changes" };
    },

    *announce() {}, // the one server that serves this file looks by itself
  };
}
