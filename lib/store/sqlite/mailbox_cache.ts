// Names, blocks, cursors and totals, as sending and acknowledging need them, kept in memory between transactions.
// A send then costs one insert: names, blocks and running totals come from here, and each changed row is written
// once at the end of the transaction, however many messages moved it. The rows on disk stay the truth: the owner calls
// `MailboxCache.flush` before each commit, and `MailboxCache.forget` after a rollback and when another
// process has changed the file.
import { noUser } from "../rules.ts";
import type { Database } from "../../sqlite/database.ts";
import { UnreadParts } from "../unread_parts.ts";
import type { ServerTables } from "../verbs/schema.ts";

/** Accounts and devices kept at most; some 20 MiB. Beyond it everything is read again, which costs 20 µs each. */
const MAX_KEPT = 50_000;

/** An account as a sender meets it. Change the totals in place, then call {@linkcode MailboxCache.markChanged}. */
export interface Mailbox {
  readonly accountId: number;
  readonly name: string;
  readonly isRemoved: boolean; // removed accounts take nothing more
  readonly sharesRead: boolean; // senders may know what was read
  readonly blocked: ReadonlySet<number>; // accounts it takes nothing from
  highestSequence: number; // the totals are those of the table `mailboxes`
  deliveredSequence: number;
  readSequence: number;
  unreadMessages: number;
  unreadBytes: number;
  keptBytes: number;
}

/** The cursors of a device. Change them in place, then call {@linkcode MailboxCache.markDeviceChanged}. */
export interface DeviceCursors {
  readonly deviceId: string;
  readonly accountId: number;
  deliveredSequence: number;
  readSequence: number;
  lastUsedAt: number; // exact to an hour
}

export class MailboxCache {
  /** Forgotten with the rest. */
  readonly parts: UnreadParts = new UnreadParts();
  readonly #mailboxes = new Map<number, Mailbox>();
  readonly #idsByName = new Map<string, number>();
  readonly #devices = new Map<string, DeviceCursors>();
  readonly #changedMailboxes = new Set<Mailbox>(); // their rows on disk are behind
  readonly #changedDevices = new Set<DeviceCursors>();
  readonly #queries: ReturnType<typeof prepareQueries>;

  constructor(database: Database<ServerTables>) {
    this.#queries = prepareQueries(database);
  }

  /** The mailbox of a name. @throws {ChatError} `not_found` – nobody has it, or its owner was removed. */
  getByName(name: string): Mailbox {
    const accountId = this.#idsByName.get(name) ?? this.#queries.idOfName.get({ name })?.id;
    const mailbox = accountId === undefined ? null : this.find(accountId);
    if (mailbox === null || mailbox.isRemoved) throw noUser(name);
    return mailbox;
  }

  /** The mailbox of an account; null when there never was one. Removed accounts are found. */
  find(accountId: number): Mailbox | null {
    const kept = this.#mailboxes.get(accountId);
    if (kept !== undefined) return kept;
    const row = this.#queries.mailbox.get({ accountId });
    if (row === undefined) return null;
    const { removed_at, share_read, ...totals } = row;
    const mailbox: Mailbox = {
      ...totals,
      accountId,
      isRemoved: removed_at !== null,
      sharesRead: share_read === 1,
      blocked: new Set(this.#queries.blocked.all({ accountId }).map((block) => block.blocked_id)),
    };
    this.#mailboxes.set(accountId, mailbox);
    this.#idsByName.set(mailbox.name, accountId);
    return mailbox;
  }

  /** The cursors of a device of this account; null when it has none of that id. */
  findDevice(deviceId: string, accountId: number): DeviceCursors | null {
    let device = this.#devices.get(deviceId);
    if (device === undefined) {
      const row = this.#queries.device.get({ deviceId });
      if (row === undefined) return null;
      device = { ...row, deviceId };
      this.#devices.set(deviceId, device);
    }
    return device.accountId === accountId ? device : null;
  }

  markChanged(mailbox: Mailbox): void {
    this.#changedMailboxes.add(mailbox);
  }

  markDeviceChanged(device: DeviceCursors): void {
    this.#changedDevices.add(device);
  }

  /** Writes every change to its row. To be called before anything else reads those rows, and before the commit. */
  flush(): void {
    for (const mailbox of this.#changedMailboxes) this.#queries.saveMailbox.run(mailbox);
    for (const device of this.#changedDevices) this.#queries.saveDevice.run(device);
    this.#changedMailboxes.clear();
    this.#changedDevices.clear();
    if (this.#mailboxes.size + this.#devices.size > MAX_KEPT) this.forget();
  }

  /** Drops one account, so that its row is read again; its changes are written first. */
  evict(accountId: number): void {
    this.flush();
    this.#mailboxes.delete(accountId);
  }

  /** Drops everything, with unwritten changes; it is read again when needed. */
  forget(): void {
    this.parts.forget();
    this.#mailboxes.clear();
    this.#idsByName.clear();
    this.#devices.clear();
    this.#changedMailboxes.clear();
    this.#changedDevices.clear();
  }
}

function prepareQueries(database: Database<ServerTables>) {
  const { tables } = database;
  return {
    idOfName: database.prepare((p: { name: string }) =>
      tables.selectFrom("accounts").select("id").where("name", "=", p.name)
    ),
    mailbox: database.prepare((p: { accountId: number }) =>
      tables.selectFrom("accounts")
        .innerJoin("mailboxes", "mailboxes.account_id", "accounts.id")
        .select(["name", "removed_at", "share_read"])
        .select(["highest_sequence as highestSequence", "delivered_sequence as deliveredSequence"])
        .select(["read_sequence as readSequence", "unread_messages as unreadMessages"])
        .select(["unread_bytes as unreadBytes", "kept_bytes as keptBytes"])
        .where("accounts.id", "=", p.accountId)
    ),
    blocked: database.prepare((p: { accountId: number }) =>
      tables.selectFrom("blocks").select("blocked_id").where("account_id", "=", p.accountId)
    ),
    device: database.prepare((p: { deviceId: string }) =>
      tables.selectFrom("devices")
        .select(["account_id as accountId", "delivered_sequence as deliveredSequence"])
        .select(["read_sequence as readSequence", "last_used_at as lastUsedAt"])
        .where("id", "=", p.deviceId)
    ),
    saveMailbox: database.prepare((p: Mailbox) =>
      tables.updateTable("mailboxes").set({
        highest_sequence: p.highestSequence,
        delivered_sequence: p.deliveredSequence,
        read_sequence: p.readSequence,
        unread_messages: p.unreadMessages,
        unread_bytes: p.unreadBytes,
        kept_bytes: p.keptBytes,
      }).where("account_id", "=", p.accountId)
    ),
    saveDevice: database.prepare((p: DeviceCursors) =>
      tables.updateTable("devices").set({
        delivered_sequence: p.deliveredSequence,
        read_sequence: p.readSequence,
        last_used_at: p.lastUsedAt,
      }).where("id", "=", p.deviceId)
    ),
  };
}
