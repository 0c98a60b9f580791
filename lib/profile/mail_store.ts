// deno-lint-ignore-file require-await -- SQLite runs at once, but a rejected promise is what callers can handle
/**
 * E-mail in a profile: accounts, drafts, and mails that are not done with.
 *
 * This store does not look inside accounts or drafts; it keeps each as one JSON value, beside what finds and orders it.
 * A change is on disk when its promise resolves.
 * @module
 */
import type { MailAccount, MailAccountStore } from "../mail/account.ts";
import type { DraftStore, MailDraft } from "../mail/draft.ts";
import type { OutboxChange, OutboxEntry, OutboxStore } from "../mail/outbox_entry.ts";
import type { Database } from "../sqlite/database.ts";
import type { ProfileTables } from "./schema.ts";

export class ProfileMailStore implements MailAccountStore, DraftStore, OutboxStore {
  readonly #database: Database<ProfileTables>;
  readonly #now: () => number;

  constructor(database: Database<ProfileTables>, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  async listMailAccounts(): Promise<MailAccount[]> {
    const { tables } = this.#database;
    const rows = this.#database.all(
      tables.selectFrom("mail_accounts").select("account").orderBy("is_default", "desc").orderBy("address")
        .orderBy("created_at"),
    );
    return rows.map((row) => JSON.parse(row.account));
  }

  async saveMailAccount(account: MailAccount): Promise<void> {
    const { tables } = this.#database;
    const values = { address: account.address, account: JSON.stringify(account) };
    this.#database.transaction(() => {
      const first = this.#database.get(tables.selectFrom("mail_accounts").select("id").limit(1));
      this.#database.run(
        tables.insertInto("mail_accounts")
          .values({
            id: account.id,
            is_default: first === undefined ? 1 : 0,
            created_at: this.#now(),
            ...values,
          })
          .onConflict((known) => known.column("id").doUpdateSet(values)),
      );
    });
  }

  async changeMailAccount(id: string, change: (account: MailAccount) => MailAccount): Promise<void> {
    const { tables } = this.#database;
    this.#database.transaction(() => {
      const row = this.#database.get(
        tables.selectFrom("mail_accounts").select("account").where("id", "=", id),
      );
      if (row === undefined) return;
      const account = change(JSON.parse(row.account));
      const values = { address: account.address, account: JSON.stringify(account) };
      this.#database.run(tables.updateTable("mail_accounts").set(values).where("id", "=", id));
    });
  }

  async removeMailAccount(id: string): Promise<void> {
    const { tables } = this.#database;
    this.#database.transaction(() => {
      this.#database.run(tables.deleteFrom("mail_accounts").where("id", "=", id));
      const oldest = this.#database.get(
        tables.selectFrom("mail_accounts").select("id").orderBy("is_default", "desc").orderBy("created_at")
          .limit(1),
      );
      if (oldest !== undefined) this.#setDefault(oldest.id);
    });
  }

  async setDefaultMailAccount(id: string): Promise<void> {
    const { tables } = this.#database;
    this.#database.transaction(() => {
      const known = this.#database.get(tables.selectFrom("mail_accounts").select("id").where("id", "=", id));
      if (known !== undefined) this.#setDefault(id);
    });
  }

  async listMailDrafts(): Promise<MailDraft[]> {
    const { tables } = this.#database;
    const query = tables.selectFrom("mail_drafts").select("draft").orderBy("saved_at", "desc").orderBy("id");
    return this.#database.all(query).map((row) => JSON.parse(row.draft));
  }

  async saveMailDraft(draft: MailDraft): Promise<void> {
    const values = { saved_at: draft.savedAt, draft: JSON.stringify(draft) };
    this.#database.run(
      this.#database.tables.insertInto("mail_drafts").values({ id: draft.id, ...values })
        .onConflict((known) => known.column("id").doUpdateSet(values)),
    );
  }

  async removeMailDraft(id: string): Promise<void> {
    this.#database.run(this.#database.tables.deleteFrom("mail_drafts").where("id", "=", id));
  }

  async insertOutboxEntry(entry: OutboxEntry): Promise<void> {
    this.#database.run(
      this.#database.tables.insertInto("mail_outbox").values({ id: entry.id, entry: JSON.stringify(entry) }),
    );
  }

  async listOutboxEntries(): Promise<OutboxEntry[]> {
    const query = this.#database.tables.selectFrom("mail_outbox").select("entry").orderBy("position");
    return this.#database.all(query).map((row) => JSON.parse(row.entry));
  }

  async findOutboxEntry(id: string): Promise<OutboxEntry | null> {
    return this.#find(id);
  }

  async updateOutboxEntry(id: string, change: OutboxChange): Promise<void> {
    const { tables } = this.#database;
    this.#database.transaction(() => {
      const entry = this.#find(id);
      if (entry === null) return;
      const changed = JSON.stringify({ ...entry, ...change });
      this.#database.run(tables.updateTable("mail_outbox").set("entry", changed).where("id", "=", id));
    });
  }

  async removeOutboxEntry(id: string): Promise<void> {
    this.#database.run(this.#database.tables.deleteFrom("mail_outbox").where("id", "=", id));
  }

  #find(id: string): OutboxEntry | null {
    const { tables } = this.#database;
    const row = this.#database.get(tables.selectFrom("mail_outbox").select("entry").where("id", "=", id));
    return row === undefined ? null : JSON.parse(row.entry);
  }

  /** Inside a transaction: exactly one account is the default. */
  #setDefault(id: string): void {
    const { tables } = this.#database;
    this.#database.run(tables.updateTable("mail_accounts").set("is_default", 0).where("id", "!=", id));
    this.#database.run(tables.updateTable("mail_accounts").set("is_default", 1).where("id", "=", id));
  }
}
