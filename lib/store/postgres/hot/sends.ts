// Messages of a batch: who is refused, what is stored, and what was stored before.
import { Buffer } from "node:buffer";
import type { ChatWrites, SentMessage } from "../../../chat/store.ts";
import type { Outcome } from "../../queue.ts";
import { idIsUsed } from "../../rules.ts";
import type { Connection, Query } from "../connection.ts";
import type { HeldMailbox } from "./held_rows.ts";
import { placesAsText, type StoredText, storedText, wholeText } from "./texts.ts";

export type NewMessage = Parameters<ChatWrites["sendMessage"]>[0];

/** A message on its way through a batch. */
export interface Sending extends NewMessage {
  readonly place: number; // in the batch
  readonly recipient: HeldMailbox | null; // null when nobody has the name
  readonly bytes: number; // of the text
}

/** A row that was inserted, or was there before. */
interface StoredRow {
  readonly sequence: number;
  readonly id: string;
  readonly sender_id: number;
  readonly recipient_id: number;
  readonly stored_at: number;
}

// Numbers are drawn in the order of the batch, and the totals grow by what was really inserted.
const INSERT = `
  WITH inserted AS (
    INSERT INTO messages (id, sender_id, recipient_id, text, nul_at, stored_at)
    SELECT id, sender_id, recipient_id, text, nul_at::int[], $6
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) WITH ORDINALITY
      AS given(id, sender_id, recipient_id, text, nul_at, place)
    ORDER BY place
    ON CONFLICT (id, sender_id) DO NOTHING
    RETURNING sequence, id, sender_id, recipient_id, stored_at, bytes
  ), sums AS (
    SELECT recipient_id, max(sequence) AS newest, count(*) AS messages, sum(bytes) AS bytes
    FROM inserted GROUP BY recipient_id
  ), counted AS (
    UPDATE mailboxes SET highest_sequence = newest, unread_messages = unread_messages + sums.messages,
      unread_bytes = unread_bytes + sums.bytes, kept_bytes = kept_bytes + sums.bytes
    FROM sums WHERE account_id = sums.recipient_id
  )
  SELECT sequence, id, sender_id, recipient_id, stored_at FROM inserted`;

const FIND = `
  SELECT sequence, id, sender_id, recipient_id, text, nul_at, stored_at FROM messages
  WHERE (id, sender_id) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))`;

export function sendingOf(
  message: NewMessage,
  place: number,
  recipient: HeldMailbox | undefined,
): Sending {
  const isThere = recipient !== undefined && !recipient.isRemoved;
  return {
    ...message,
    place,
    recipient: isThere ? recipient : null,
    bytes: Buffer.byteLength(message.text),
  };
}

/** The insert of those that are taken. */
export function insertOf(taken: readonly Sending[], now: number): Query {
  const texts = taken.map(({ text }) => storedText(text));
  return {
    sql: INSERT,
    values: [
      taken.map(({ id }) => id),
      taken.map(({ senderId }) => senderId),
      taken.map(({ recipient }) => recipient!.accountId),
      texts.map(({ text }) => text),
      texts.map(({ nul_at }) => placesAsText(nul_at)),
      now,
    ],
  };
}

/** What became of each message that was taken, in their order; null for those that were there before, or come twice. */
export function sentOf(taken: readonly Sending[], rows: readonly StoredRow[]): (SentMessage | null)[] {
  const byKey = new Map(rows.map((row) => [keyOf(row.sender_id, row.id), row]));
  return taken.map(({ id, senderId, recipient }) => {
    const key = keyOf(senderId, id);
    const row = byKey.get(key);
    if (row === undefined) return null;
    byKey.delete(key); // the second of two with one id was stored before, by the first
    const previous = recipient!.highestSequence;
    recipient!.highestSequence = row.sequence;
    return {
      sequence: row.sequence,
      storedAt: row.stored_at,
      isDuplicate: false,
      recipientId: row.recipient_id,
      previous,
    };
  });
}

/** What to say of messages that were not inserted: stored before, the id used for another one, or refused. */
export async function findEarlier(
  connection: Connection,
  sendings: readonly { readonly sending: Sending; readonly refused: Error | null }[],
): Promise<Outcome[]> {
  if (sendings.length === 0) return [];
  const rows = await connection.rows<StoredRow & StoredText>(FIND, [
    sendings.map(({ sending }) => sending.id),
    sendings.map(({ sending }) => sending.senderId),
  ]);
  const byKey = new Map(rows.map((row) => [keyOf(row.sender_id, row.id), row]));
  return sendings.map(({ sending: { id, senderId, recipient, text }, refused }): Outcome => {
    const row = byKey.get(keyOf(senderId, id));
    // Who has no account has taken nothing.
    if (row === undefined || recipient === null) return { error: refused };
    // What was taken once stays taken, so a client that sends it again must learn just that.
    const isSame = row.recipient_id === recipient.accountId && wholeText(row) === text.toWellFormed();
    if (!isSame) return { error: idIsUsed(id) };
    const result: SentMessage = {
      sequence: row.sequence,
      storedAt: row.stored_at,
      isDuplicate: true,
      recipientId: row.recipient_id,
      previous: recipient.highestSequence,
    };
    return { result };
  });
}

function keyOf(senderId: number, id: string): string {
  return `${senderId} ${id}`;
}
