// The rows that a batch of sends and acknowledgements needs, locked until its end.
// Why the order of a mailbox holds with several servers writing: whoever inserts into a mailbox holds its row from before the
// sequence is drawn until the commit, and a commit is visible before its locks are free. So the next one draws a higher number,
// and nobody sees it without the lower one. Everybody locks in the order of ids, mailboxes before devices: no deadlock.
import type { Connection, Query } from "../connection.ts";

/** A mailbox as a batch meets it; the totals are counted on as the batch goes. */
export interface HeldMailbox {
  readonly accountId: number;
  name: string;
  isRemoved: boolean;
  sharesRead: boolean;
  readonly blocked: Set<number>; // of this batch's senders
  highestSequence: number;
  deliveredSequence: number;
  readSequence: number;
  unreadMessages: number;
  unreadBytes: number;
  keptBytes: number;
}

export interface HeldDevice {
  readonly deviceId: string;
  readonly accountId: number;
  deliveredSequence: number;
  readSequence: number;
}

export interface Held {
  readonly mailboxes: ReadonlyMap<number, HeldMailbox>;
  readonly devices: ReadonlyMap<string, HeldDevice>;
}

export interface Wanted {
  readonly accountIds: readonly number[]; // whose mailboxes are changed
  readonly senderIds: readonly number[]; // who writes to them
  readonly deviceIds: readonly string[]; // whose cursors move
}

const LOCK_MAILBOXES = `
  SELECT account_id AS "accountId", highest_sequence AS "highestSequence",
    delivered_sequence AS "deliveredSequence", read_sequence AS "readSequence",
    unread_messages AS "unreadMessages", unread_bytes AS "unreadBytes", kept_bytes AS "keptBytes"
  FROM mailboxes WHERE account_id = ANY($1) ORDER BY account_id FOR NO KEY UPDATE`;
// Statements of their own, after the lock: joined into the first, they would be as old as its start, not its end.
const ACCOUNTS = `SELECT id, name, removed_at, share_read FROM accounts WHERE id = ANY($1)`;
const BLOCKS =
  `SELECT account_id, blocked_id FROM blocks WHERE account_id = ANY($1) AND blocked_id = ANY($2)`;
const LOCK_DEVICES = `
  SELECT id AS "deviceId", account_id AS "accountId", delivered_sequence AS "deliveredSequence",
    read_sequence AS "readSequence"
  FROM devices WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`;

/** Locks and reads them, in one round trip. */
export async function hold(
  connection: Connection,
  { accountIds, senderIds, deviceIds }: Wanted,
): Promise<Held> {
  const queries: Query[] = [
    { sql: LOCK_MAILBOXES, values: [accountIds] },
    { sql: ACCOUNTS, values: [accountIds] },
    { sql: BLOCKS, values: [accountIds, senderIds] },
  ];
  if (deviceIds.length > 0) queries.push({ sql: LOCK_DEVICES, values: [deviceIds] });
  const [totals, accounts, blocks, devices = []] = await connection.pipeline(queries) as [
    Omit<HeldMailbox, "name" | "isRemoved" | "sharesRead" | "blocked">[],
    { id: number; name: string; removed_at: number | null; share_read: number }[],
    { account_id: number; blocked_id: number }[],
    HeldDevice[],
  ];
  const accountsById = new Map(accounts.map((account) => [account.id, account]));
  const mailboxes = new Map(totals.map((row): [number, HeldMailbox] => {
    const account = accountsById.get(row.accountId)!;
    const { name, removed_at, share_read } = account;
    return [row.accountId, {
      ...row,
      name,
      isRemoved: removed_at !== null,
      sharesRead: share_read === 1,
      blocked: new Set(),
    }];
  }));
  for (const { account_id, blocked_id } of blocks) mailboxes.get(account_id)?.blocked.add(blocked_id);
  return { mailboxes, devices: new Map(devices.map((device) => [device.deviceId, device])) };
}
