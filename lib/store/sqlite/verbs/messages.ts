import { Buffer } from "node:buffer";
import { ChatError } from "../../../errors.ts";
import type { Mailbox } from "../mailbox_cache.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";
import type { SentMessage, StoredMessage } from "../../../chat/store.ts";
import { takePage, textBytes, wholeTextReader } from "../whole_text.ts";

/** @param makeRoom Takes away history that a mailbox need not keep, oldest first. */
export function messageVerbs(context: ServerContext, makeRoom: (mailbox: Mailbox) => void) {
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
      textBytes,
      "stored_at as storedAt",
    ])
      .where("id", "=", p.id).where("sender_id", "=", p.senderId)
  );
  const mailboxPage = database.prepare((p: { accountId: number; after: number; limit: number }) =>
    tables.selectFrom("messages").innerJoin("accounts", "accounts.id", "messages.sender_id")
      .select(["sequence", "messages.id", "name as from", "text", textBytes, "stored_at as storedAt"])
      .where("recipient_id", "=", p.accountId).where("sequence", ">", p.after)
      .orderBy("sequence").limit(p.limit)
  );

  /** The acknowledgement of a message that is stored already; null when this (sender, id) is new. */
  function findDuplicate(senderId: number, id: string, recipient: Mailbox, text: string): SentMessage | null {
    const row = byId.get({ id, senderId });
    if (row === undefined) return null;
    if (row.recipientId !== recipient.accountId || wholeText(row) !== text.toWellFormed()) {
      throw new ChatError("conflict", `Cannot send as this id was used for another message: ${id}`);
    }
    const { sequence, storedAt, recipientId } = row;
    return { sequence, storedAt, isDuplicate: true, recipientId };
  }

  /** Why a mailbox takes no message of this size from this sender; null when it does. */
  function refusal(recipient: Mailbox, senderId: number, bytes: number): ChatError | null {
    if (recipient.blocked.has(senderId)) {
      return new ChatError("blocked", `Cannot send as ${recipient.name} takes no messages from you`);
    }
    const isTooMuch = () => recipient.keptBytes + bytes > limits.mailboxBytes + limits.historyBytes;
    const isFull = recipient.unreadMessages >= limits.mailboxMessages ||
      recipient.unreadBytes + bytes > limits.mailboxBytes;
    if (!isFull && isTooMuch()) makeRoom(recipient);
    if (isFull || isTooMuch()) {
      const waiting = `${recipient.unreadMessages} messages, ${recipient.unreadBytes} bytes unread`;
      return new ChatError(
        "mailbox_full",
        `Cannot send as the mailbox of ${recipient.name} is full: ${waiting}; it must be read first`,
      );
    }
    return null;
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
        return cache.find(accountId)?.highestSequence ?? 0;
      },
    },
    writes: {
      sendMessage({ senderId, id, to, text }) {
        const recipient = cache.getByName(to);
        const bytes = Buffer.byteLength(text);
        const refused = refusal(recipient, senderId, bytes);
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
        recipient.highestSequence = sequence;
        recipient.unreadMessages += 1;
        recipient.unreadBytes += bytes;
        recipient.keptBytes += bytes;
        cache.markChanged(recipient);
        return { sequence, storedAt, isDuplicate: false, recipientId };
      },
    },
  } satisfies SomeVerbs;
}
