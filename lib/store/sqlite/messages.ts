import { Buffer } from "node:buffer";
import { sql } from "kysely";
import type { ChatError } from "../../errors.ts";
import type { Mailbox } from "./mailbox_cache.ts";
import type { HotVerbs, ServerContext } from "./context.ts";
import type { SentMessage, StoredMessage } from "../../chat/store.ts";
import { takePage } from "../page.ts";
import { idIsUsed, isBlockedBy, needsRoom, OWNER, refusal, type Standing, takesFromAll } from "../rules.ts";
import { textBytes, wholeTextReader } from "./whole_text.ts";

/** @param makeRoom Takes away history that a mailbox need not keep, oldest first. */
export function messageVerbs(context: ServerContext, makeRoom: (accountId: number) => void) {
  const { database, cache, limits } = context;
  const { tables } = database;
  const wholeText = wholeTextReader(database);

  const insert = database.prepare((
    p: { id: string; senderId: number; recipientId: number; text: string; storedAt: number },
  ) =>
    tables.insertInto("messages")
      .values({
        id: p.id,
        sender_id: p.senderId,
        recipient_id: p.recipientId,
        text: p.text,
        stored_at: p.storedAt,
      })
      .onConflict((conflict) => conflict.doNothing())
  );
  const byId = database.prepare((p: { id: string; senderId: number }) =>
    tables.selectFrom("messages").select([
      "sequence",
      "recipient_id as recipientId",
      "text",
      textBytes.as("bytes"),
      "stored_at as storedAt",
    ])
      .where("id", "=", p.id).where("sender_id", "=", p.senderId)
  );
  const mailboxPage = database.prepare((p: { accountId: number; after: number; limit: number }) =>
    tables.selectFrom("messages").innerJoin("accounts", "accounts.id", "messages.sender_id")
      .select([
        "sequence",
        "messages.id",
        "name as from",
        "text",
        textBytes.as("bytes"),
        "stored_at as storedAt",
      ])
      .where("recipient_id", "=", p.accountId).where("sequence", ">", p.after)
      .orderBy("sequence").limit(p.limit)
  );

  const newest = database.prepare((p: { accountId: number }) =>
    tables.selectFrom("messages").select(sql<number>`coalesce(max(sequence), 0)`.as("sequence"))
      .where("recipient_id", "=", p.accountId)
  );
  const standing = database.prepare((p: { accountId: number; senderId: number; above: number }) =>
    tables.selectFrom("messages").select((select) => [
      select.fn.countAll<number>().as("messages"),
      sql<number>`coalesce(sum(${textBytes}), 0)`.as("bytes"),
      select.exists(
        select.selectFrom("messages as answers").select("sequence")
          .where("recipient_id", "=", p.senderId).where("sender_id", "=", p.accountId),
      ).as("isKnown"),
    ])
      .where("recipient_id", "=", p.accountId).where("sender_id", "=", p.senderId)
      .where("sequence", ">", p.above)
  );

  /** The acknowledgement of a message that is stored already; null when this (sender, id) is new. */
  function findDuplicate(senderId: number, id: string, recipient: Mailbox, text: string): SentMessage | null {
    const row = byId.get({ id, senderId });
    if (row === undefined) return null;
    if (row.recipientId !== recipient.accountId || wholeText(row) !== text.toWellFormed()) {
      throw idIsUsed(id);
    }
    const { sequence, storedAt, recipientId } = row;
    return { sequence, previous: recipient.highestSequence, storedAt, isDuplicate: true, recipientId };
  }

  function standingOf(mailbox: Mailbox, senderId: number): Standing {
    const { accountId } = mailbox;
    if (accountId === senderId) return OWNER;
    const above = cache.parts.countAbove(mailbox, senderId);
    const { isKnown, ...counted } = standing.get({ accountId, senderId, above })!;
    const { messages, bytes } = cache.parts.add(mailbox, senderId, counted);
    return { unreadMessages: messages, unreadBytes: bytes, isKnown: Boolean(isKnown) };
  }

  /**
   * The mailbox, with why it refuses a message (null when it takes it), after history that it need not keep has made room where
   * that is needed. Room is made for those alone who may write here.
   */
  function receive(mailbox: Mailbox, senderId: number, bytes: number): [Mailbox, ChatError | null] {
    if (mailbox.blocked.has(senderId)) return [mailbox, isBlockedBy(mailbox.name)];
    if (takesFromAll(mailbox, bytes, limits)) return [mailbox, null];
    const sender = standingOf(mailbox, senderId);
    if (!needsRoom(mailbox, sender, bytes, limits)) {
      return [mailbox, refusal(mailbox, sender, bytes, limits)];
    }
    makeRoom(mailbox.accountId);
    const roomy = cache.find(mailbox.accountId)!;
    return [roomy, refusal(roomy, sender, bytes, limits)];
  }

  return {
    reads: {
      listMailbox({ accountId, after, limit, maxBytes }) {
        const to = cache.find(accountId)?.name;
        if (to === undefined) return { messages: [], next: null };
        // One more than asked for tells whether there is a next page.
        const rows = mailboxPage.iterate({ accountId, after, limit: limit + 1 });
        const { page, hasMore } = takePage(rows, { limit, maxBytes });
        const messages = page.map((row): StoredMessage => {
          const { sequence, id, from, storedAt } = row;
          return { sequence, id, from, to, text: wholeText(row), storedAt };
        });
        return { messages, next: hasMore ? messages.at(-1)!.sequence : null };
      },

      highestSequence(accountId) {
        return newest.get({ accountId })!.sequence;
      },
    },
    writes: {
      sendMessage({ senderId, id, to, text }) {
        const bytes = Buffer.byteLength(text);
        const [recipient, refused] = receive(cache.getByName(to), senderId, bytes);
        if (refused !== null) {
          // What was taken once stays taken, so a client that sends it again must learn just that.
          const duplicate = findDuplicate(senderId, id, recipient, text);
          if (duplicate !== null) return duplicate;
          throw refused;
        }
        const recipientId = recipient.accountId;
        const storedAt = context.now;
        const { changes, rowId: sequence } = insert.run({ id, senderId, recipientId, text, storedAt });
        if (changes === 0) return findDuplicate(senderId, id, recipient, text)!;
        const previous = recipient.highestSequence;
        recipient.highestSequence = sequence;
        recipient.unreadMessages += 1;
        recipient.unreadBytes += bytes;
        recipient.keptBytes += bytes;
        cache.markChanged(recipient);
        return { sequence, previous, storedAt, isDuplicate: false, recipientId };
      },
    },
  } satisfies HotVerbs;
}
