// What SQLite says in its own words, for the verbs that are written once.
import { sql } from "kysely";
import type { Database } from "../../sqlite/database.ts";
import type { ServerTables } from "../verbs/schema.ts";
import type { ConversationPage, Dialect } from "../verbs/steps.ts";
import { textBytes, wholeTextReader } from "./whole_text.ts";

/** Most problems that one check of the file reports. */
const MAX_PROBLEMS = 20;

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
    textBytes,
    databaseBytes: sql<number>`(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)`,

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
      const lines = database.connection.prepare(`PRAGMA integrity_check(${MAX_PROBLEMS})`).all();
      const problems = lines.map((line) => String(line["integrity_check"])).filter((line) => line !== "ok");
      if (problems.length > 0) return problems;
      const references = database.connection.prepare("PRAGMA foreign_key_check").all();
      return references.map((row) =>
        `a row of ${row["table"]} refers to a row of ${row["parent"]} that is gone`
      );
    },

    *announce() {}, // the one server that serves this file looks by itself
  };
}
