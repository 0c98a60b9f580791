/**
 * A person's profile on one machine: servers and pins, logins, cursors, unsent messages, and the lines typed at the prompt.
 *
 * One SQLite file that only its owner can read, since it holds session tokens. Several programs of the same person may use it
 * at once. Verbs run at once, in the calling thread: the file is small, and each is a single short transaction.
 * @module
 */
import { dirname, join } from "node:path";
import { UsageError } from "../errors.ts";
import { Database } from "../sqlite/database.ts";
import { PROFILE_MIGRATIONS } from "./migrations.ts";
import { People } from "./people.ts";
import { type AccountKey, AccountRecords } from "./account_records.ts";
import { PROFILE_FILE, type ProfileTables } from "./schema.ts";
import { ProgramMarks } from "./program_marks.ts";
import { isCopying, setCopying } from "./message_copy.ts";
import { ProfileSettings } from "./profile_settings.ts";
import { fileErrorFrom } from "../sqlite/sqlite_errors.ts";

export { PROFILE_FILE };

/** Name of the folder, in a profile's folder, of the marks of the programs that send. */
const MARKS_FOLDER = "senders";

/** Lines of command history that are kept. */
const MAX_HISTORY_LINES = 1_000;

/** A server that was trusted once. */
export interface KnownServer {
  /** Its id in this profile. */
  readonly serverId: number;
  /** As the person gave it. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Pinned certificate (PEM); null when the system's authorities vouch for it. */
  readonly certificate: string | null;
  /** Fingerprint of the pinned certificate; null without a pin. */
  readonly fingerprint: string | null;
}

/** An account that has signed in on this machine. */
export interface SavedLogin extends AccountKey {
  /** Token of its login on the server; null after signing out. */
  readonly token: string | null;
  /** From the server; sent with the next login, so that its cursors are found again. */
  readonly deviceId: string;
}

const SERVER_COLUMNS = ["id as serverId", "host", "port", "certificate", "fingerprint"] as const;

/** An open profile. Disposing it closes the file. */
export class Profile implements Disposable {
  /** The file itself, for parts of the client that add tables of their own in `migrations.ts`. */
  readonly database: Database<ProfileTables>;
  /** What the person has chosen for all programs with this profile. */
  readonly settings: ProfileSettings;
  readonly #tables: Database<ProfileTables>["tables"];
  readonly #marks: ProgramMarks;
  readonly #now: () => number;

  /**
   * Opens a profile, and makes it if there is none. Use {@linkcode openProfile}.
   * @param path The file; its folder must exist.
   * @param now Clock in epoch milliseconds.
   * Every verb throws the same errors as this does.
   * @throws {UsageError} A newer program wrote the file, it is damaged, or it may not be written.
   * @throws {ChatError} `unavailable` – the disk is full, or another program has held the file for 5 s.
   */
  constructor(path: string, now: () => number) {
    this.database = new Database<ProfileTables>(path, PROFILE_MIGRATIONS, {
      describe: (error) => fileErrorFrom(error, path),
    });
    this.settings = new ProfileSettings(this.database);
    this.#tables = this.database.tables;
    this.#marks = new ProgramMarks(join(dirname(path), MARKS_FOLDER));
    this.#now = now;
  }

  /** Servers by last use, newest first. */
  listServers(): readonly KnownServer[] {
    return this.database.all(
      this.#tables.selectFrom("servers").select(SERVER_COLUMNS).orderBy("last_used_at", "desc"),
    );
  }

  /** The server at an address; null when it was never trusted. */
  findServer(host: string, port: number): KnownServer | null {
    const found = this.database.get(
      this.#tables.selectFrom("servers").select(SERVER_COLUMNS).where("host", "=", host)
        .where("port", "=", port),
    );
    return found ?? null;
  }

  /** Remembers a server that the person trusts, with its pin, and notes that it was used. A known one gets the new pin. */
  saveServer(server: Omit<KnownServer, "serverId">): KnownServer {
    const { host, port, certificate, fingerprint } = server;
    const pin = { certificate, fingerprint, last_used_at: this.#now() };
    return this.database.get(
      this.#tables.insertInto("servers").values({ host, port, ...pin })
        .onConflict((known) => known.columns(["host", "port"]).doUpdateSet(pin)).returning(SERVER_COLUMNS),
    )!;
  }

  /** The pin of a server as it is kept now, null without one; that of `server` itself when it was forgotten meanwhile. */
  certificateOf(server: KnownServer): string | null {
    const row = this.database.get(
      this.#tables.selectFrom("servers").select("certificate").where("id", "=", server.serverId),
    );
    return row === undefined ? server.certificate : row.certificate;
  }

  /** Keeps a new certificate of a server with a pin. Its key, and so its fingerprint, must be the one that was pinned. */
  renewCertificate({ serverId }: KnownServer, certificate: string): void {
    this.database.run(this.#tables.updateTable("servers").set({ certificate }).where("id", "=", serverId));
  }

  /** The join code that was kept for a server; undefined where there is none. */
  joinCodeOf({ serverId }: KnownServer): string | undefined {
    const query = this.#tables.selectFrom("servers").select("join_code").where("id", "=", serverId);
    return this.database.get(query)?.join_code ?? undefined;
  }

  /** Keeps a join code until somebody has signed in there; null forgets it. */
  keepJoinCode({ serverId }: KnownServer, joinCode: string | null): void {
    this.database.run(
      this.#tables.updateTable("servers").set({ join_code: joinCode }).where("id", "=", serverId),
    );
  }

  /** Notes that a server was used. */
  markServerUsed(serverId: number): void {
    this.database.run(
      this.#tables.updateTable("servers").set("last_used_at", this.#now()).where("id", "=", serverId),
    );
  }

  /** Forgets a server, and with it its logins, cursors and everything that waits to be sent there. */
  forgetServer(serverId: number): void {
    for (const login of this.listLogins(serverId)) this.recordsOf(login).copy.remove();
    this.database.run(this.#tables.deleteFrom("servers").where("id", "=", serverId));
  }

  /** Accounts that signed in on a server, by last use, newest first. */
  listLogins(serverId: number): readonly SavedLogin[] {
    return this.database.all(
      this.#tables.selectFrom("logins")
        .select(["server_id as serverId", "name", "token", "device_id as deviceId"])
        .where("server_id", "=", serverId).orderBy("last_used_at", "desc"),
    );
  }

  /** The login of an account; null when it never signed in here. */
  findLogin(account: AccountKey): SavedLogin | null {
    return this.listLogins(account.serverId).find((login) => login.name === account.name) ?? null;
  }

  /** Keeps the token and the device of an account that has just signed in, and notes that it was used. */
  saveLogin(account: AccountKey, login: { readonly token: string; readonly deviceId: string }): void {
    const values = { token: login.token, device_id: login.deviceId, last_used_at: this.#now() };
    this.database.run(
      this.#tables.insertInto("logins").values({
        server_id: account.serverId,
        name: account.name,
        ...values,
      })
        .onConflict((known) => known.columns(["server_id", "name"]).doUpdateSet(values)),
    );
  }

  /** Drops the token of an account. Its device stays, so that the next login goes on where this one was. */
  dropToken(account: AccountKey): void {
    this.database.run(
      this.#tables.updateTable("logins").set("token", null)
        .where("server_id", "=", account.serverId).where("name", "=", account.name),
    );
  }

  /** Forgets an account that is no more: in every table that knows accounts. */
  forgetAccount({ serverId, name }: AccountKey): void {
    this.recordsOf({ serverId, name }).copy.remove(); // with more care than the rest
    this.database.transaction(() => {
      const tables = this.database.execute(TABLES_OF_ACCOUNTS, [], "rows") as { name: string }[];
      for (const table of tables) {
        const forget = `DELETE FROM "${table.name}" WHERE server_id = ? AND name = ?`;
        this.database.execute(forget, [serverId, name], "changes");
      }
    });
  }

  /** What is kept for the chat of an account: its outbox, and how far its messages were shown. */
  recordsOf(account: AccountKey): AccountRecords {
    return new AccountRecords(this.database, account, { marks: this.#marks, now: this.#now });
  }

  /** The people whose names the program of an account has seen. */
  peopleOf(account: AccountKey): People {
    return new People(this.database, account, this.#now);
  }

  /** Whether a copy of the messages that were seen is kept, to be read without a connection. */
  get copiesMessages(): boolean {
    return isCopying(this.database);
  }

  /** Has such a copy kept from now on, or removes what there is of all accounts. */
  copyMessages(isOn: boolean): void {
    setCopying(this.database, isOn);
  }

  /** What is wrong with the file itself, as SQLite says it; null when it is whole. */
  faults(): string | null {
    const rows = this.database.execute("PRAGMA quick_check(3)", [], "rows") as { quick_check: string }[];
    const words = rows.map((row) => row.quick_check);
    return words.every((word) => word === "ok") ? null : words.join("; ");
  }

  /** Messages of all accounts that wait to be sent. */
  countUnsent(): number {
    const query = this.#tables.selectFrom("outbox").select(({ fn }) => fn.countAll<number>().as("amount"))
      .where("rejected_code", "is", null);
    return this.database.get(query)!.amount;
  }

  /** Lines that were typed, oldest first. */
  listHistory(): readonly string[] {
    const query = this.#tables.selectFrom("command_history").select("line").orderBy("position");
    return this.database.all(query).map((row) => row.line);
  }

  /** Adds a line to the history; the oldest beyond 1,000 go. */
  addHistory(line: string): void {
    this.database.transaction(() => {
      this.database.run(this.#tables.insertInto("command_history").values({ line }));
      const kept = this.#tables.selectFrom("command_history").select("position").orderBy("position", "desc")
        .limit(MAX_HISTORY_LINES);
      this.database.run(this.#tables.deleteFrom("command_history").where("position", "not in", kept));
    });
  }

  /** Forgets the lines that were typed: they hold what was written to others. */
  clearHistory(): void {
    this.database.run(this.#tables.deleteFrom("command_history"));
  }

  /** Closes the file; what this program had still to send is free for others. */
  [Symbol.dispose](): void {
    this.#marks[Symbol.dispose]();
    this.database[Symbol.dispose]();
  }
}

const TABLES_OF_ACCOUNTS = `
  SELECT name FROM sqlite_schema WHERE type = 'table' AND 2 =
    (SELECT count(*) FROM pragma_table_info(sqlite_schema.name) AS columns WHERE columns.name IN ('server_id', 'name'))`;

/**
 * Opens the profile in a folder, and makes both if there is none: the folder for its owner only (0700), the file too (0600).
 * @param folder Where the profile lies.
 * @param options.now Clock in epoch milliseconds; `Date.now` by default.
 * @throws {UsageError} The folder has no name, a newer program wrote the profile, it is damaged, or it may not be written.
 * @throws {ChatError} `unavailable` – the disk is full, or another program has held the file for 5 s.
 */
export function openProfile(folder: string, options: { readonly now?: () => number } = {}): Profile {
  // As a script gives it whose variable is not set, or a system service that has no home.
  if (folder === "") {
    throw new UsageError(
      "Cannot use a profile without a folder: give one with --profile DIR or MINI_CHAT_PROFILE, or set HOME",
    );
  }
  const path = join(folder, PROFILE_FILE);
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileErrorFrom(error, folder);
  }
  const profile = new Profile(path, options.now ?? Date.now);
  // A copy from elsewhere may have come with a wider mode; Windows has none.
  if (Deno.build.os !== "windows") Deno.chmodSync(path, 0o600);
  return profile;
}
