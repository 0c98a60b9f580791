// Acknowledgements of a batch: where cursors move to, and what the senders are told of it.
import type { ChatWrites, ReceiptNews } from "../../../chat/store.ts";
import { USE_PRECISION_MS } from "../../limits.ts";
import { type Cursors, cursorsAfter, newsFor } from "../../rules.ts";
import type { Amount, UnreadParts } from "../../unread_parts.ts";
import type { Query } from "../connection.ts";
import type { Held, HeldMailbox } from "./held_rows.ts";

export type Acknowledgement = Parameters<ChatWrites["acknowledge"]>[0];

/** A stretch of a mailbox that has just been delivered, or read. */
interface Stretch {
  readonly mailbox: HeldMailbox;
  readonly kind: "delivered" | "read";
  readonly above: number;
  readonly upTo: number;
}

/** What acknowledgements of one batch change. */
export interface Moves {
  readonly queries: readonly Query[]; // empty when nothing moves
  /** News for each acknowledgement, from the rows of the first query. */
  newsFrom(rows: readonly StretchRow[]): ReceiptNews[][];
  /** Takes away from the counts what was read, likewise. */
  noteRead(rows: readonly StretchRow[], parts: UnreadParts): void;
}

interface StretchRow extends Amount {
  readonly place: number; // of its stretch, from 1 on
  readonly sender_id: number;
  readonly newest: number;
}

// What is read is no longer unread; all stretches of one mailbox are summed up before its row is written.
const MOVE_MAILBOXES = `
  WITH stretches AS (
    SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
      AS given(account_id, is_read, above, up_to, place)
  ), found AS (
    SELECT stretches.*, sender_id, newest, messages, bytes FROM stretches CROSS JOIN LATERAL (
      SELECT sender_id, max(sequence) AS newest, count(*) AS messages, sum(bytes) AS bytes FROM messages
      WHERE recipient_id = stretches.account_id AND sequence > above AND sequence <= up_to GROUP BY sender_id
    ) senders
  ), sums AS (
    SELECT stretches.account_id,
      max(up_to) FILTER (WHERE NOT is_read) AS delivered_to, max(up_to) FILTER (WHERE is_read) AS read_to,
      (SELECT coalesce(sum(messages), 0) FROM found
        WHERE is_read AND found.account_id = stretches.account_id) AS messages,
      (SELECT coalesce(sum(bytes), 0) FROM found
        WHERE is_read AND found.account_id = stretches.account_id) AS bytes
    FROM stretches GROUP BY stretches.account_id
  ), moved AS (
    UPDATE mailboxes SET delivered_sequence = greatest(delivered_sequence, delivered_to),
      read_sequence = greatest(read_sequence, read_to), unread_messages = unread_messages - sums.messages,
      unread_bytes = unread_bytes - sums.bytes
    FROM sums WHERE mailboxes.account_id = sums.account_id
  )
  SELECT place::int AS place, sender_id, newest, messages, bytes FROM found`;

const MOVE_DEVICES = `
  UPDATE devices SET delivered_sequence = moved.delivered_sequence, read_sequence = moved.read_sequence,
    last_used_at = CASE WHEN last_used_at < $4 THEN $5 ELSE last_used_at END
  FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS moved(id, delivered_sequence, read_sequence)
  WHERE devices.id = moved.id`;

/** Moves the cursors in memory, in order, and says what has to be written. */
export function movesOf(acknowledgements: readonly Acknowledgement[], held: Held, now: number): Moves {
  const stretches: Stretch[] = [];
  const stretchesOf: number[][] = []; // of each acknowledgement: places among them
  const moved = new Map<string, Cursors>();
  for (const { accountId, deviceId, ...cursors } of acknowledgements) {
    const places: number[] = [];
    stretchesOf.push(places);
    const mailbox = held.mailboxes.get(accountId);
    const device = held.devices.get(deviceId);
    if (mailbox === undefined || device?.accountId !== accountId) continue;
    const after = cursorsAfter(device, cursors, mailbox.highestSequence);
    if (after === null) continue;
    Object.assign(device, after);
    moved.set(deviceId, after);
    for (const kind of ["delivered", "read"] as const) {
      const above = mailbox[`${kind}Sequence`];
      const upTo = after[`${kind}Sequence`];
      if (upTo <= above) continue;
      mailbox[`${kind}Sequence`] = upTo;
      places.push(stretches.push({ mailbox, kind, above, upTo }));
    }
  }
  const newsFrom = (rows: readonly StretchRow[]) => {
    const byPlace = Map.groupBy(rows, (row) => row.place);
    return stretchesOf.map((places) => {
      const news = { delivered: new Map<number, number>(), read: new Map<number, number>() };
      for (const place of places) {
        const { mailbox, kind } = stretches[place - 1]!;
        if (kind === "read" && !mailbox.sharesRead) continue;
        for (const row of byPlace.get(place) ?? []) news[kind].set(row.sender_id, row.newest);
      }
      return newsFor(news.delivered, news.read);
    });
  };
  const noteRead = (rows: readonly StretchRow[], parts: UnreadParts) => {
    for (const [index, { mailbox, kind, above, upTo }] of stretches.entries()) {
      if (kind !== "read" || !parts.has(mailbox)) continue;
      const read = rows.filter(({ place }) => place === index + 1);
      parts.read({ ...mailbox, readSequence: above }, upTo, new Map(read.map((row) => [row.sender_id, row])));
    }
  };
  if (moved.size === 0) return { queries: [], newsFrom, noteRead };
  const mailboxes = {
    sql: MOVE_MAILBOXES,
    values: [
      stretches.map(({ mailbox }) => mailbox.accountId),
      stretches.map(({ kind }) => kind === "read"),
      stretches.map(({ above }) => above),
      stretches.map(({ upTo }) => upTo),
    ],
  };
  const devices = {
    sql: MOVE_DEVICES,
    values: [
      [...moved.keys()],
      [...moved.values()].map(({ deliveredSequence }) => deliveredSequence),
      [...moved.values()].map(({ readSequence }) => readSequence),
      now - USE_PRECISION_MS,
      now,
    ],
  };
  return { queries: [mailboxes, devices], newsFrom, noteRead };
}
