/**
 * What two users wrote to each other. Each message lies in the mailbox of its recipient only, so a history is two walks along
 * `messages_by_conversation`, merged by sequence.
 * @module
 */
import type { Mailbox } from "../mailbox_cache.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";
import type { HistoryMessage } from "../../../chat/store.ts";
import { textBytes, wholeTextReader } from "../whole_text.ts";
import { noUser } from "./users.ts";

export function historyVerbs(context: ServerContext) {
  const { database, cache } = context;
  const { tables } = database;
  const wholeText = wholeTextReader(database);

  const accountOf = database.prepare((p: { name: string }) =>
    tables.selectFrom("accounts").select("id").where("name", "=", p.name)
  );
  const oneWay = database.prepare(
    (p: { senderId: number; recipientId: number; before: number; limit: number }) =>
      tables.selectFrom("messages").select(["sequence", "id", "sender_id", "text", textBytes, "stored_at"])
        .where("sender_id", "=", p.senderId).where("recipient_id", "=", p.recipientId)
        .where("sequence", "<", p.before).orderBy("sequence", "desc").limit(p.limit),
  );

  /** Finds removed accounts too: what they wrote stays with those who received it. */
  function findOther(name: string): Mailbox | null {
    const id = accountOf.get({ name })?.id;
    return id === undefined ? null : cache.find(id);
  }

  /** One way of a history, newest first, as far as a page can hold: one row more than its limit or its bytes. */
  function readOneWay(page: Parameters<typeof oneWay.iterate>[0], maxBytes: number) {
    const rows = [];
    let bytes = 0;
    for (const row of oneWay.iterate(page)) {
      rows.push(row);
      bytes += row.bytes;
      if (bytes > maxBytes) break;
    }
    return rows;
  }

  return {
    reads: {
      listHistory({ accountId, with: name, before, limit, maxBytes }) {
        const viewer = cache.find(accountId);
        const other = findOther(name);
        if (viewer === null || other === null) throw noUser(name);
        const page = { before: before ?? Number.MAX_SAFE_INTEGER, limit: limit + 1 };
        const toViewer = readOneWay({ senderId: other.accountId, recipientId: accountId, ...page }, maxBytes);
        const isOneself = other.accountId === accountId;
        const toOther = isOneself || other.isRemoved
          ? []
          : readOneWay({ senderId: accountId, recipientId: other.accountId, ...page }, maxBytes);
        const newest = [...toViewer, ...toOther].sort((a, b) => b.sequence - a.sequence);
        const count = countFitting(newest, limit, maxBytes);
        const messages = newest.slice(0, count).reverse().map((row): HistoryMessage => {
          const isOwn = row.sender_id === accountId;
          return {
            sequence: row.sequence,
            id: row.id,
            from: isOwn ? viewer.name : other.name,
            to: isOwn ? other.name : viewer.name,
            text: wholeText(row),
            storedAt: row.stored_at,
            ...(isOwn ? { state: stateOf(row.sequence, other, isOneself) } : {}),
          };
        });
        return { messages, next: newest.length > count ? messages[0]?.sequence ?? null : null };
      },
    },
  } satisfies SomeVerbs;
}

/** How many of these fit a page; one always does. */
function countFitting(rows: readonly { readonly bytes: number }[], limit: number, maxBytes: number): number {
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    bytes += row.bytes;
    if (index === limit || (bytes > maxBytes && index > 0)) return index;
  }
  return rows.length;
}

function stateOf(
  sequence: number,
  recipient: Mailbox,
  isOneself: boolean,
): NonNullable<HistoryMessage["state"]> {
  if (sequence <= recipient.readSequence && (recipient.sharesRead || isOneself)) return "read";
  return sequence <= recipient.deliveredSequence ? "delivered" : "stored";
}
