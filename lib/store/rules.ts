// What a mailbox takes and how its cursors move: the same for every engine.
import { ChatError } from "../errors.ts";
import type { ReceiptNews } from "../chat/store.ts";
import type { StoreLimits } from "./limits.ts";

/** How much lies in a mailbox. */
export interface Totals {
  readonly unreadMessages: number;
  readonly unreadBytes: number; // of text
  readonly keptBytes: number; // of all text that has not been pruned
}

/** What a sender is to a mailbox. */
export interface Standing {
  readonly unreadMessages: number; // its own, among those of the mailbox
  readonly unreadBytes: number;
  readonly isKnown: boolean; // the owner has written to it
}

/** Of the owner, who needs no protection from itself. */
export const OWNER: Standing = { unreadMessages: 0, unreadBytes: 0, isKnown: true };

/** How much of a mailbox strangers may fill together: the rest is for those to whom its owner has written. */
const STRANGERS_PART = 0.5;

/** What a sender has unread counts twice for it: nobody gets more than half of what all others leave, so nobody shuts them out. */
function isFull(mailbox: Totals, sender: Standing, bytes: number, limits: StoreLimits): boolean {
  const part = sender.isKnown ? 1 : STRANGERS_PART;
  return mailbox.unreadMessages + sender.unreadMessages >= part * limits.mailboxMessages ||
    mailbox.unreadBytes + bytes + sender.unreadBytes > part * limits.mailboxBytes;
}

function isTooMuch(mailbox: Totals, bytes: number, limits: StoreLimits): boolean {
  return mailbox.keptBytes + bytes > limits.mailboxBytes + limits.historyBytes;
}

/** Whether a mailbox takes so many bytes more whoever sends them: then nobody has to ask what the sender is to it. */
export function takesFromAll(mailbox: Totals, bytes: number, limits: StoreLimits): boolean {
  const worst = { ...mailbox, isKnown: false };
  return !isFull(mailbox, worst, bytes, limits) && !isTooMuch(mailbox, bytes, limits);
}

/** Whether a mailbox would take so many bytes more if history that it need not keep were taken away. */
export function needsRoom(mailbox: Totals, sender: Standing, bytes: number, limits: StoreLimits): boolean {
  return !isFull(mailbox, sender, bytes, limits) && isTooMuch(mailbox, bytes, limits);
}

export function isBlockedBy(name: string): ChatError {
  return new ChatError("blocked", `Cannot send as ${name} takes no messages from you`);
}

/** Why a mailbox takes no message of so many bytes from a sender; null when it does. */
export function refusal(
  mailbox: Totals & { readonly name: string },
  sender: Standing,
  bytes: number,
  limits: StoreLimits,
): ChatError | null {
  if (!isFull(mailbox, sender, bytes, limits) && !isTooMuch(mailbox, bytes, limits)) return null;
  // How much they have not read, and of whom, is nobody else's business.
  return new ChatError(
    "mailbox_full",
    `Cannot send as the mailbox of ${mailbox.name} has no more room for you: ${mailbox.name} must read messages first`,
  );
}

export function idIsUsed(id: string): ChatError {
  return new ChatError("conflict", `Cannot send as this id was used for another message: ${id}`);
}

export function noUser(name: string): ChatError {
  return new ChatError("not_found", `Cannot find the user: ${name}`);
}

/** Cursors of a device or a mailbox. */
export interface Cursors {
  readonly deliveredSequence: number;
  readonly readSequence: number;
}

/** Where the cursors of a device stand after an acknowledgement; null when nothing moves. */
export function cursorsAfter(
  device: Cursors,
  { delivered = 0, read = 0 }: { readonly delivered?: number; readonly read?: number },
  highestSequence: number,
): Cursors | null {
  const readTo = Math.min(Math.max(read, device.readSequence), highestSequence);
  const deliveredTo = Math.min(Math.max(delivered, readTo, device.deliveredSequence), highestSequence);
  if (readTo <= device.readSequence && deliveredTo <= device.deliveredSequence) return null;
  return {
    readSequence: Math.max(device.readSequence, readTo),
    deliveredSequence: Math.max(device.deliveredSequence, deliveredTo),
  };
}

/** Whom to tell what: the newest sequence of each sender that is now delivered, and that is now read. */
export function newsFor(
  delivered: ReadonlyMap<number, number>,
  read: ReadonlyMap<number, number>,
): ReceiptNews[] {
  const news = new Map<number, ReceiptNews>();
  for (const [senderId, newest] of delivered) news.set(senderId, { senderId, delivered: newest });
  for (const [senderId, newest] of read) {
    news.set(senderId, { senderId, ...news.get(senderId), read: newest });
  }
  return [...news.values()];
}
