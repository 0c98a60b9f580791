/**
 * A store of mail accounts, drafts and outbox entries in memory, for tests of the rules above it.
 * @module
 */
import type { MailAccount, MailAccountStore } from "../../lib/mail/account.ts";
import type { DraftStore, MailDraft } from "../../lib/mail/draft.ts";
import type { OutboxChange, OutboxEntry, OutboxStore } from "../../lib/mail/outbox_entry.ts";

/** Keeps everything, in the order it came. */
export class MemoryMailStore implements MailAccountStore, DraftStore, OutboxStore {
  /** The accounts; the first is the default. */
  accounts: MailAccount[] = [];
  /** The drafts. */
  drafts: MailDraft[] = [];
  /** The outbox. */
  entries: OutboxEntry[] = [];
  /** Every state an entry has been in, as `queued`, `sending`, … */
  readonly states: string[] = [];

  listMailAccounts(): Promise<MailAccount[]> {
    return Promise.resolve([...this.accounts]);
  }

  saveMailAccount(account: MailAccount): Promise<void> {
    const at = this.accounts.findIndex((item) => item.id === account.id);
    this.accounts.splice(at < 0 ? this.accounts.length : at, at < 0 ? 0 : 1, account);
    return Promise.resolve();
  }

  changeMailAccount(id: string, change: (account: MailAccount) => MailAccount): Promise<void> {
    this.accounts = this.accounts.map((account) => account.id === id ? change(account) : account);
    return Promise.resolve();
  }

  removeMailAccount(id: string): Promise<void> {
    this.accounts = this.accounts.filter((item) => item.id !== id);
    return Promise.resolve();
  }

  setDefaultMailAccount(id: string): Promise<void> {
    this.accounts.sort((a, b) => Number(b.id === id) - Number(a.id === id));
    return Promise.resolve();
  }

  listMailDrafts(): Promise<MailDraft[]> {
    return Promise.resolve(this.drafts.toSorted((a, b) => b.savedAt - a.savedAt));
  }

  saveMailDraft(draft: MailDraft): Promise<void> {
    this.drafts = [...this.drafts.filter((item) => item.id !== draft.id), draft];
    return Promise.resolve();
  }

  removeMailDraft(id: string): Promise<void> {
    this.drafts = this.drafts.filter((item) => item.id !== id);
    return Promise.resolve();
  }

  insertOutboxEntry(entry: OutboxEntry): Promise<void> {
    this.entries.push(entry);
    this.states.push(entry.state);
    return Promise.resolve();
  }

  listOutboxEntries(): Promise<OutboxEntry[]> {
    return Promise.resolve([...this.entries]);
  }

  findOutboxEntry(id: string): Promise<OutboxEntry | null> {
    return Promise.resolve(this.entries.find((entry) => entry.id === id) ?? null);
  }

  updateOutboxEntry(id: string, change: OutboxChange): Promise<void> {
    this.entries = this.entries.map((entry) => entry.id === id ? { ...entry, ...change } : entry);
    if (change.state !== undefined) this.states.push(change.state);
    return Promise.resolve();
  }

  removeOutboxEntry(id: string): Promise<void> {
    this.entries = this.entries.filter((entry) => entry.id !== id);
    return Promise.resolve();
  }
}
