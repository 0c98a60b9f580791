/**
 * What sending and acknowledging need to know of accounts and devices, kept in memory between transactions.
 *
 * A send then costs one insert: names, blocks and running totals come from here, and each changed row is written
 * once at the end of the transaction, however many messages moved it. The rows on disk stay the truth: the owner calls
 * {@linkcode MailboxCache.flush} before each commit, and {@linkcode MailboxCache.forget} after a rollback and when another
 * process has changed the file.
 * @module
 */
import type { Database } from "../../sqlite/database.ts";
import type { ServerTables } from "./schema.ts";

/** Accounts and devices kept at most; some 20 MiB. Beyond it everything is read again, which costs 20 µs each. */
const MAX_KEPT = 50_000;

/** An account as a sender meets it. Change the totals in place, and set `isChanged`. */
export interface Mailbox {
  /** The account. */
  readonly accountId: number;
  /** Its name. */
  readonly name: string;
  /** Removed accounts take nothing more. */
  readonly isRemoved: boolean;
  /** Whether senders may know what was read. */
  readonly sharesRead: boolean;
  /** Accounts it takes nothing from. */
  readonly blocked: ReadonlySet<number>;
  /** See the table's column; so are the next five. */
  highestSequence: number;
  /** Highest of all devices. */
  deliveredSequence: number;
  /** Highest of all devices. */
  readSequence: number;
  /** Messages above `readSequence`. */
  unreadMessages: number;
  /** Bytes of text above `readSequence`. */
  unreadBytes: number;
  /** Bytes of all text. */
  keptBytes: number;
  /** Whether the row on disk is behind. */
  isChanged: boolean;
}

/** The cursors of a device. Change them in place, and set `isChanged`. */
export interface DeviceCursors {
  /** The device. */
  readonly deviceId: string;
  /** Whose it is. */
  readonly accountId: number;
  /** Highest sequence that it confirmed. */
  deliveredSequence: number;
  /** Highest sequence that it showed. */
  readSequence: number;
  /** When it was last used, exact to an hour. */
  lastUsedAt: number;
  /** Whether the row on disk is behind. */
  isChanged: boolean;
}

/** The accounts and devices in memory. */
export class MailboxCache {
  readonly #mailboxes = new Map<number, Mailbox>();
  readonly #idsByName = new Map<string, number>();
  readonly #devices = new Map<string, DeviceCursors>();
  readonly #changedMailboxes: Mailbox[] = [];
  readonly #changedDevices: DeviceCursors[] = [];
  readonly #queries: ReturnType<typeof prepareQueries>;

  /**
   * Begins with nothing in memory.
   *
   * @param database Where the rows are.
   */
  constructor(database: Database<ServerTables>) {
    this.#queries = prepareQueries(database);
  }

  /** The mailbox of a name; null when nobody has it, or its owner was removed. */
  findByName(name: string): Mailbox | null {
    let accountId = this.#idsByName.get(name);
    if (accountId === undefined) {
      accountId = this.#queries.idOfName.get({ name })?.id;
      if (accountId === undefined) return null;
    }
    const mailbox = this.find(accountId);
    return mailbox === null || mailbox.isRemoved ? null : mailbox;
  }

  /** The mailbox of an account; null when there never was one. Removed accounts are found. */
  find(accountId: number): Mailbox | null {
    const kept = this.#mailboxes.get(accountId);
    if (kept !== undefined) return kept;
    const row = this.#queries.mailbox.get({ accountId });
    if (row === undefined) return null;
    const blocked = new Set(this.#queries.blocked.all({ accountId }).map((block) => block.blocked_id));
    const mailbox: Mailbox = {
      accountId,
      name: row.name,
      isRemoved: row.removed_at !== null,
      sharesRead: row.share_read === 1,
      blocked,
      highestSequence: row.highest_sequence,
      deliveredSequence: row.delivered_sequence,
      readSequence: row.read_sequence,
      unreadMessages: row.unread_messages,
      unreadBytes: row.unread_bytes,
      keptBytes: row.kept_bytes,
      isChanged: false,
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
      device = {
        deviceId,
        accountId: row.account_id,
        deliveredSequence: row.delivered_sequence,
        readSequence: row.read_sequence,
        lastUsedAt: row.last_used_at,
        isChanged: false,
      };
      this.#devices.set(deviceId, device);
    }
    return device.accountId === accountId ? device : null;
  }

  /** Notes that a mailbox was changed in place. */
  markChanged(mailbox: Mailbox): void {
    if (mailbox.isChanged) return;
    mailbox.isChanged = true;
    this.#changedMailboxes.push(mailbox);
  }

  /** Notes that a device was changed in place. */
  markDeviceChanged(device: DeviceCursors): void {
    if (device.isChanged) return;
    device.isChanged = true;
    this.#changedDevices.push(device);
  }

  /** Writes every change to its row. To be called before anything else reads those rows, and before the commit. */
  flush(): void {
    for (const mailbox of this.#changedMailboxes) {
      this.#queries.saveMailbox.run(mailbox);
      mailbox.isChanged = false;
    }
    for (const device of this.#changedDevices) {
      this.#queries.saveDevice.run(device);
      device.isChanged = false;
    }
    this.#changedMailboxes.length = 0;
    this.#changedDevices.length = 0;
    if (this.#mailboxes.size + this.#devices.size > MAX_KEPT) this.forget();
  }

  /** Drops one account, so that its row is read again; its changes are written first. */
  evict(accountId: number): void {
    this.flush();
    this.#mailboxes.delete(accountId);
  }

  /** Drops everything, with unwritten changes; it is read again when needed. */
  forget(): void {
    this.#mailboxes.clear();
    this.#idsByName.clear();
    this.#devices.clear();
    this.#changedMailboxes.length = 0;
    this.#changedDevices.length = 0;
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
        .select([
          "name",
          "removed_at",
          "share_read",
          "highest_sequence",
          "delivered_sequence",
          "read_sequence",
        ])
        .select(["unread_messages", "unread_bytes", "kept_bytes"])
        .where("accounts.id", "=", p.accountId)
    ),
    blocked: database.prepare((p: { accountId: number }) =>
      tables.selectFrom("blocks").select("blocked_id").where("account_id", "=", p.accountId)
    ),
    device: database.prepare((p: { deviceId: string }) =>
      tables.selectFrom("devices")
        .select(["account_id", "delivered_sequence", "read_sequence", "last_used_at"])
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
