// Quick looks into a server's own database file, for a Tab at the shell: nothing is loaded, opened for writing or waited for.
import { readRows } from "../sqlite/read_rows.ts";

/** Rows given at once; more of them help only who types on. */
const MAX_ROWS = 200;

/** Names of accounts that begin so, in order; none where the file may not be read. */
export function lookForAccounts(path: string, begin: string): { name: string }[] {
  return readRows(
    path,
    `SELECT name FROM accounts WHERE removed_at IS NULL AND name >= ?1 AND name < ?1 || char(0x10FFFF)
     ORDER BY name LIMIT ?2`,
    begin,
    MAX_ROWS,
  );
}

/** Invites that were not revoked, newest first; none where the file may not be read. */
export function lookForInvites(path: string): { code: string; note: string }[] {
  return readRows(
    path,
    "SELECT code, note FROM invites WHERE revoked_at IS NULL ORDER BY created_at DESC LIMIT ?1",
    MAX_ROWS,
  );
}

/** Reports that are open, newest first; none where the file may not be read. */
export function lookForReports(path: string): { id: number; reporter: string; reported: string }[] {
  return readRows(
    path,
    `SELECT reports.id, reporters.name AS reporter, reported.name AS reported FROM reports
     JOIN accounts AS reporters ON reporters.id = reporter_id JOIN accounts AS reported ON reported.id = reported_id
     WHERE closed_at IS NULL ORDER BY reports.id DESC LIMIT ?1`,
    MAX_ROWS,
  );
}
