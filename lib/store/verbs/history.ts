// What two users wrote to each other. Each message lies in the mailbox of its recipient only, so a history is two walks along
// `messages_by_conversation`, merged by sequence.
import type { HistoryMessage } from "../../chat/store.ts";
import { takePage } from "../page.ts";
import { noUser } from "../rules.ts";
import { query, type VerbContext, type VerbSteps } from "./steps.ts";

/** How far the other side has got, as far as its messages' senders may know. */
interface Reader {
  readonly readSequence: number;
  readonly deliveredSequence: number;
  readonly share_read: number;
}

export function historyVerbs({ dialect }: VerbContext) {
  const { tables } = dialect;

  // Removed accounts too: what they wrote stays with those who received it.
  const reader = query((p: { name: string }) =>
    tables.selectFrom("accounts").innerJoin("mailboxes", "mailboxes.account_id", "accounts.id")
      .select(["id as accountId", "name", "removed_at", "share_read"])
      .select(["read_sequence as readSequence", "delivered_sequence as deliveredSequence"])
      .where("name", "=", p.name)
  );
  const nameOf = query((p: { accountId: number }) =>
    tables.selectFrom("accounts").select("name").where("id", "=", p.accountId)
  );

  const stretch = (p: { after: string; limit: number }) =>
    tables.selectFrom("accounts").select(["id", "name"]).where("name", ">", p.after)
      .orderBy("name").limit(p.limit).as("stretch");
  const stretchEnd = query((p: { after: string; limit: number }) =>
    tables.selectFrom(stretch(p)).select((select) => [
      select.fn.max("name").as("last"),
      select.fn.countAll<number>().as("count"),
    ])
  );
  const others = query((p: { accountId: number; after: string; limit: number }) =>
    tables.selectFrom(stretch(p)).select("name").where((where) =>
      where.or([
        where.exists(
          where.selectFrom("messages").select("sequence").where("recipient_id", "=", p.accountId)
            .whereRef("sender_id", "=", "stretch.id"),
        ),
        where.exists(
          where.selectFrom("messages").select("sequence").where("sender_id", "=", p.accountId)
            .whereRef("recipient_id", "=", "stretch.id"),
        ),
      ])
    ).orderBy("name")
  );

  return {
    reads: {
      *listConversations({ accountId, after, limit }) {
        const page = { after: after ?? "", limit };
        const { last, count } = (yield* stretchEnd.first(page))!;
        const names = (yield* others.all({ accountId, ...page })).map(({ name }) => name);
        return { names, next: count < limit ? null : last };
      },

      *listHistory({ accountId, with: name, before, limit, maxBytes }) {
        const viewer = yield* nameOf.first({ accountId });
        const other = yield* reader.first({ name });
        if (viewer === undefined || other === undefined) throw noUser(name);
        const isOneself = other.accountId === accountId;
        const page = { before: before ?? Number.MAX_SAFE_INTEGER, limit: limit + 1, maxBytes };
        const toViewer = yield* dialect.readConversation({
          senderId: other.accountId,
          recipientId: accountId,
          ...page,
        });
        const toOther = isOneself || other.removed_at !== null
          ? []
          : yield* dialect.readConversation({ senderId: accountId, recipientId: other.accountId, ...page });
        const newestFirst = [...toViewer, ...toOther].sort((a, b) => b.sequence - a.sequence);
        const newest = takePage(newestFirst, { limit, maxBytes });
        const messages = newest.page.reverse().map((row): HistoryMessage => {
          const { sequence, id, senderId, text, storedAt } = row;
          const isOwn = senderId === accountId;
          const [from, to] = isOwn ? [viewer.name, other.name] : [other.name, viewer.name];
          const message = { sequence, id, from, to, text, storedAt };
          return isOwn ? { ...message, state: stateOf(sequence, other, isOneself) } : message;
        });
        return { messages, next: newest.hasMore ? messages[0]?.sequence ?? null : null };
      },
    },
    writes: {},
  } satisfies VerbSteps;
}

function stateOf(
  sequence: number,
  recipient: Reader,
  isOneself: boolean,
): NonNullable<HistoryMessage["state"]> {
  if (sequence <= recipient.readSequence && (recipient.share_read === 1 || isOneself)) return "read";
  return sequence <= recipient.deliveredSequence ? "delivered" : "stored";
}
