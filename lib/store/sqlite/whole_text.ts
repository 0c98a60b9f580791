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

/** Bytes of the column `text`, for a query that reads it; costs nothing, as SQLite keeps it beside the text. */
export const textBytes = sql<number>`octet_length(text)`.as("bytes");

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
    utf8Length(text) === bytes ? text : decoder.decode(asBytes.get({ sequence })?.bytes);
}

/**
 * Counts the UTF-8 bytes of a text without encoding it. An unpaired surrogate counts as 3, as U+FFFD, which replaces it.
 */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      bytes += 1;
      continue;
    }
    bytes += 2;
    // The two units of a pair are one character of 4 bytes: 2 more than its units.
    if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) index++;
  }
  return bytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
