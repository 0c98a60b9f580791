// How much of what is unread in a mailbox comes from one sender. It is asked for only where a mailbox fills up, and then with each
// message, so what was counted is kept: the next time counts only what came since, and somebody who is refused again and again
// costs nothing.

export interface Amount {
  readonly messages: number;
  readonly bytes: number; // of text
}

/** What was counted: all from one sender above `readSequence` and up to `upTo`. */
interface Part extends Amount {
  readonly readSequence: number;
  readonly upTo: number;
}

interface Cursors {
  readonly accountId: number;
  readonly highestSequence: number;
  readonly readSequence: number;
}

/** Fewer messages than this are counted faster than kept. */
const WORTH_KEEPING = 50;

/** Mailboxes kept at most; beyond it all are counted again. */
const MAX_KEPT = 10_000;

/** Whoever takes back messages that were counted, as by a rollback, must call `forget`. */
export class UnreadParts {
  readonly #mailboxes = new Map<number, Map<number, Part>>(); // by account, then by sender

  /** Sequence above which is to be counted what a sender has in a mailbox. */
  countAbove(mailbox: Cursors, senderId: number): number {
    return this.#find(mailbox, senderId)?.upTo ?? mailbox.readSequence;
  }

  /** All that is unread from a sender, given what was counted above {@linkcode UnreadParts.countAbove} up to the newest message. */
  add(mailbox: Cursors, senderId: number, counted: Amount): Amount {
    const before = this.#find(mailbox, senderId);
    const { readSequence, highestSequence: upTo } = mailbox;
    const messages = (before?.messages ?? 0) + counted.messages;
    const bytes = (before?.bytes ?? 0) + counted.bytes;
    if (messages >= WORTH_KEEPING) this.#keep(mailbox, senderId, { readSequence, upTo, messages, bytes });
    return { messages, bytes };
  }

  /** Whether {@linkcode UnreadParts.read} has to be called when the owner of a mailbox reads. */
  has({ accountId }: Pick<Cursors, "accountId">): boolean {
    return this.#mailboxes.has(accountId);
  }

  /** Takes away what the owner has read: amounts by sender from the mailbox's present read cursor up to a sequence. */
  read(mailbox: Cursors, upTo: number, amounts: ReadonlyMap<number, Amount>): void {
    const parts = this.#mailboxes.get(mailbox.accountId);
    for (const [senderId, part] of parts ?? []) {
      const { messages, bytes } = amounts.get(senderId) ?? { messages: 0, bytes: 0 };
      // What was read beyond the count was not counted.
      if (part.readSequence !== mailbox.readSequence || part.upTo < upTo) parts!.delete(senderId);
      else {
        parts!.set(senderId, {
          readSequence: upTo,
          upTo: part.upTo,
          messages: part.messages - messages,
          bytes: part.bytes - bytes,
        });
      }
    }
    if (parts?.size === 0) this.#mailboxes.delete(mailbox.accountId);
  }

  forget(): void {
    this.#mailboxes.clear();
  }

  /** Nothing where another program has moved the cursor. */
  #find(mailbox: Cursors, senderId: number): Part | undefined {
    const part = this.#mailboxes.get(mailbox.accountId)?.get(senderId);
    return part?.readSequence === mailbox.readSequence ? part : undefined;
  }

  #keep({ accountId }: Cursors, senderId: number, part: Part): void {
    const parts = this.#mailboxes.get(accountId);
    if (parts !== undefined) parts.set(senderId, part);
    else {
      if (this.#mailboxes.size >= MAX_KEPT) this.forget();
      this.#mailboxes.set(accountId, new Map([[senderId, part]]));
    }
  }
}
