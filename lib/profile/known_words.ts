// What a profile knows for a Tab at the shell, by a quick look into its file: in a program that does nothing else, opening it as
// `openProfile` does would take longer than the rest.
import { join } from "node:path";
import { PROFILE_FILE } from "./schema.ts";
import { readRows } from "../sqlite/read_rows.ts";

/** Which account of a profile is meant; what is unset leaves the one used last. */
interface Chosen {
  readonly server?: { readonly host: string; readonly port: number } | undefined;
  readonly user?: string | undefined;
}

/** Servers, the one used last first. */
export function knownServers(folder: string): { host: string; port: number }[] {
  return readRows(join(folder, PROFILE_FILE), "SELECT host, port FROM servers ORDER BY last_used_at DESC");
}

/** Accounts that are or were signed in; of all servers, where none is chosen. */
export function knownAccounts(folder: string, { server }: Chosen): { name: string; host: string }[] {
  return readRows(
    join(folder, PROFILE_FILE),
    `SELECT name, host FROM logins JOIN servers ON id = server_id
     WHERE ?1 IS NULL OR host = ?1 AND port = ?2 ORDER BY logins.last_used_at DESC`,
    server?.host ?? null,
    server?.port ?? null,
  );
}

/** People of the server of the account, those met last first. */
export function knownPeople(folder: string, { server, user }: Chosen): { person: string }[] {
  return readRows(
    join(folder, PROFILE_FILE),
    `SELECT person FROM people WHERE (server_id, name) = (
       SELECT server_id, name FROM logins JOIN servers ON id = server_id
       WHERE token IS NOT NULL AND (?1 IS NULL OR host = ?1 AND port = ?2) AND (?3 IS NULL OR name = ?3)
       ORDER BY servers.last_used_at DESC, logins.last_used_at DESC LIMIT 1
     ) ORDER BY met_at DESC, person`,
    server?.host ?? null,
    server?.port ?? null,
    user ?? null,
  );
}

/** Addresses that mail is sent from. */
export function knownMailAddresses(folder: string): { address: string }[] {
  return readRows(
    join(folder, PROFILE_FILE),
    "SELECT address FROM mail_accounts ORDER BY is_default DESC, created_at",
  );
}

/** Mails that are not sent yet, by their place in the outbox, from 1; `recipient` is the first who still has to get it. */
export function knownWaitingMails(folder: string): { number: number; subject: string; recipient: string }[] {
  return readRows(
    join(folder, PROFILE_FILE),
    `SELECT row_number() OVER (ORDER BY position) AS number, entry ->> '$.subject' AS subject,
       entry ->> '$.to[0]' AS recipient FROM mail_outbox ORDER BY position`,
  );
}
