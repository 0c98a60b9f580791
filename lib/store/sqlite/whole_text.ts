/**
 * Reading texts back whole.
 *
 * The runtime's `node:sqlite` ends a text at its first NUL when it reads one (Deno 2.8.3; it writes all of it). A text may
 * hold any character, so its length on disk is read with it, and where the two differ it is read again as bytes.
 * @module
 */
import { sql } from "kysely";
import type { Database } from "../../sqlite/database.ts";
import type { ServerTables } from "./schema.ts";
import { utf8Length } from "../../sqlite/utf8_length.ts";

/**
 * Length in bytes of the column `text`, for a query that reads it; costs nothing, as SQLite keeps it beside the text.
 * @internal
 */
export const textBytes = sql<number>`octet_length(text)`.as("bytes");

/** A message's text as a query gave it. */
export interface ReadText {
  /** The message. */
  readonly sequence: number;
  /** What came of its text. */
  readonly text: string;
  /** Its length on disk. */
  readonly bytes: number;
}

/**
 * Makes the function that gives the whole text of a message that was read.
 *
 * @param database Where it was read.
 */
export function wholeTextReader(database: Database<ServerTables>): (read: ReadText) => string {
  const asBytes = database.prepare((p: { sequence: number }) =>
    database.tables.selectFrom("messages").select(sql<Uint8Array>`CAST(text AS BLOB)`.as("bytes"))
      .where("sequence", "=", p.sequence)
  );
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return ({ sequence, text, bytes }) =>
    utf8Length(text) === bytes ? text : decoder.decode(asBytes.get({ sequence })?.bytes);
}
