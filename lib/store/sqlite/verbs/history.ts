// What two users wrote to each other. Each message lies in the mailbox of its recipient only, so a history is two walks along
// `messages_by_conversation`, merged by sequence.
import { ChatError } from "../../../errors.ts";
import type { Mailbox } from "../mailbox_cache.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";
import type { HistoryMessage } from "../../../chat/store.ts";
import { takePage, textBytes, wholeTextReader } from "../whole_text.ts";

export function historyVerbs(context: ServerContext) {
  const { database, cache } = context;
  const { tables } = database;
  const wholeText = wholeTextReader(database);

  const oneWay = database.prepare(
    (p: { senderId: number; recipientId: number; before: number; limit: number }) =>
      tables.selectFrom("messages").select([
        "sequence",
        "id",
        "sender_id as senderId",
        "text",
        textBytes,
        "stored_at as storedAt",
      ])
        .where("sender_id", "=", p.senderId).where("recipient_id", "=", p.recipientId)
        .where("sequence", "<", p.before).orderBy("sequence", "desc").limit(p.limit),
  );

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
        // Removed accounts too: what they wrote stays with those who received it.
        const other = cache.findEverByName(name);
        if (viewer === null || other === null) {
          throw new ChatError("not_found", `Cannot find the user: ${name}`);
        }
        const isOneself = other === viewer;
        const page = { before: before ?? Number.MAX_SAFE_INTEGER, limit: limit + 1 };
        const toViewer = readOneWay({ senderId: other.accountId, recipientId: accountId, ...page }, maxBytes);
        const toOther = isOneself || other.isRemoved
          ? []
          : readOneWay({ senderId: accountId, recipientId: other.accountId, ...page }, maxBytes);
        const newestFirst = [...toViewer, ...toOther].sort((a, b) => b.sequence - a.sequence);
        const newest = takePage(newestFirst, { limit, maxBytes });
        const messages = newest.page.reverse().map((row): HistoryMessage => {
          const { sequence, id, senderId, storedAt } = row;
          const isOwn = senderId === accountId;
          const [from, to] = isOwn ? [viewer.name, other.name] : [other.name, viewer.name];
          const message = { sequence, id, from, to, text: wholeText(row), storedAt };
          return isOwn ? { ...message, state: stateOf(sequence, other, isOneself) } : message;
        });
        return { messages, next: newest.hasMore ? messages[0]?.sequence ?? null : null };
      },
    },
    writes: {},
  } satisfies SomeVerbs;
}

function stateOf(
  sequence: number,
  recipient: Mailbox,
  isOneself: boolean,
): NonNullable<HistoryMessage["state"]> {
  if (sequence <= recipient.readSequence && (recipient.sharesRead || isOneself)) return "read";
  return sequence <= recipient.deliveredSequence ? "delivered" : "stored";
}
