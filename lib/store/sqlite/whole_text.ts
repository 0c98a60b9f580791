// Reading texts back whole.
// The runtime's `node:sqlite` ends a text at its first NUL when it reads one (Deno 2.8.3; it writes all of it). A text may
// hold any character, so its length on disk is read with it, and where the two differ it is read again as bytes.
import { Buffer } from "node:buffer";
import { sql } from "kysely";
import type { Database } from "../../sqlite/database.ts";
import type { ServerTables } from "../verbs/schema.ts";

/** Bytes of the column `text`; costs nothing, as SQLite keeps it beside the text. */
export const textBytes = sql<number>`octet_length(text)`;

/** The function that gives the whole text of a message that was read with {@linkcode textBytes}. */
export function wholeTextReader(
  database: Database<ServerTables>,
): (read: { readonly sequence: number; readonly text: string; readonly bytes: number }) => string {
  const asBytes = database.prepare((p: { sequence: number }) =>
    database.tables.selectFrom("messages").select(sql<Uint8Array>`CAST(text AS BLOB)`.as("bytes"))
      .where("sequence", "=", p.sequence)
  );
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return ({ sequence, text, bytes }) =>
    Buffer.byteLength(text) === bytes ? text : decoder.decode(asBytes.get({ sequence })?.bytes);
}
