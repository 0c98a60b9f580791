// What the senders of a batch are to mailboxes that fill up, and whom these then refuse.
import type { StoreLimits } from "../../limits.ts";
import { isBlockedBy, needsRoom, noUser, OWNER, refusal, type Standing, takesFromAll } from "../../rules.ts";
import type { Amount, UnreadParts } from "../../unread_parts.ts";
import type { Connection } from "../connection.ts";
import type { HeldMailbox } from "./held_rows.ts";
import type { Sending } from "./sends.ts";

/** By mailbox and sender; only of mailboxes in which it matters who sends. */
export type Standings = ReadonlyMap<HeldMailbox, ReadonlyMap<number, Standing>>;

const STANDINGS = `
  SELECT place::int AS place, messages, bytes, EXISTS (
    SELECT FROM messages WHERE recipient_id = asked.sender_id AND sender_id = asked.account_id
  ) AS is_known
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
    AS asked(account_id, sender_id, above, place)
  CROSS JOIN LATERAL (
    SELECT count(*) AS messages, coalesce(sum(bytes), 0) AS bytes FROM messages
    WHERE recipient_id = asked.account_id AND messages.sender_id = asked.sender_id AND sequence > above
  ) own`;

interface Row extends Amount {
  readonly place: number; // of its pair, from 1 on
  readonly is_known: boolean;
}

/** Reads them, while the mailboxes are held. No query where there is room for all. */
export async function readStandings(
  connection: Connection,
  sendings: readonly Sending[],
  parts: UnreadParts,
  limits: StoreLimits,
): Promise<Standings> {
  const standings = new Map<HeldMailbox, Map<number, Standing>>();
  const pairs: { mailbox: HeldMailbox; senderId: number }[] = [];
  for (const [mailbox, ofMailbox] of Map.groupBy(sendings, ({ recipient }) => recipient)) {
    if (mailbox === null || takesThemAll(mailbox, ofMailbox, limits)) continue;
    standings.set(mailbox, new Map([[mailbox.accountId, OWNER]]));
    const senderIds = new Set(ofMailbox.map(({ senderId }) => senderId));
    senderIds.delete(mailbox.accountId);
    for (const senderId of senderIds) pairs.push({ mailbox, senderId });
  }
  if (pairs.length === 0) return standings;
  const rows = await connection.rows<Row>(STANDINGS, [
    pairs.map(({ mailbox }) => mailbox.accountId),
    pairs.map(({ senderId }) => senderId),
    pairs.map(({ mailbox, senderId }) => parts.countAbove(mailbox, senderId)),
  ]);
  for (const { place, is_known: isKnown, ...counted } of rows) {
    const { mailbox, senderId } = pairs[place - 1]!;
    const { messages, bytes } = parts.add(mailbox, senderId, counted);
    standings.get(mailbox)!.set(senderId, { unreadMessages: messages, unreadBytes: bytes, isKnown });
  }
  return standings;
}

/**
 * Why each message is refused, were it not stored already; null for one that is taken.
 * @param canMakeRoom Whether history may still be taken away in a mailbox for the messages.
 * @returns Null when the messages must come one by one, or when room must be made for the only one: those before it in the batch
 * decide over a message, and it is not known which of these are new.
 */
export function refusalsOf(
  sendings: readonly Sending[],
  standings: Standings,
  limits: StoreLimits,
  canMakeRoom: (mailbox: HeldMailbox) => boolean,
): (Error | null)[] | null {
  const refusals = sendings.map(plainRefusal);
  if (standings.size === 0) return refusals;
  const writing = new Set(sendings.map(({ senderId, recipient }) => `${senderId} ${recipient?.accountId}`));
  const tallies = new Map([...standings.keys()].map((mailbox) => [mailbox, new Tally(mailbox)]));
  const takenIds = new Set<string>();
  for (const [index, { recipient, senderId, bytes, id }] of sendings.entries()) {
    if (recipient === null || refusals[index] !== null) continue;
    const key = `${senderId} ${id}`;
    const standing = standings.get(recipient)?.get(senderId);
    const tally = tallies.get(recipient);
    if (standing !== undefined && tally !== undefined) {
      // Should all before it in the batch be new, they make it worse; if not, the batch may still make it better.
      const then = tally.after(senderId, standing);
      if (refusal(then.mailbox, then.standing, bytes, limits) !== null) {
        const isKnown = standing.isKnown || writing.has(`${recipient.accountId} ${senderId}`);
        const best = { ...standing, isKnown };
        const refused = refusal(recipient, best, bytes, limits);
        if (refused === null || takenIds.has(key)) return null;
        if (needsRoom(recipient, best, bytes, limits) && canMakeRoom(recipient)) return null;
        refusals[index] = refused;
        continue;
      }
      tally.add(senderId, bytes);
    }
    takenIds.add(key);
  }
  return refusals;
}

function plainRefusal({ recipient, to, senderId }: Sending): Error | null {
  if (recipient === null) return noUser(to);
  return recipient.blocked.has(senderId) ? isBlockedBy(recipient.name) : null;
}

/** What a batch adds to a mailbox. */
class Tally {
  readonly #mailbox: HeldMailbox;
  readonly #all = { messages: 0, bytes: 0 };
  readonly #bySender = new Map<number, { messages: number; bytes: number }>();

  constructor(mailbox: HeldMailbox) {
    this.#mailbox = mailbox;
  }

  add(senderId: number, bytes: number): void {
    const own = this.#bySender.get(senderId) ?? { messages: 0, bytes: 0 };
    if (senderId !== this.#mailbox.accountId) this.#bySender.set(senderId, own);
    for (const sum of [this.#all, own]) {
      sum.messages += 1;
      sum.bytes += bytes;
    }
  }

  /** The mailbox as it is then, and what the sender is to it. */
  after(senderId: number, standing: Standing): { mailbox: HeldMailbox; standing: Standing } {
    const mailbox = this.#mailbox;
    const own = this.#bySender.get(senderId);
    return {
      mailbox: {
        ...mailbox,
        unreadMessages: mailbox.unreadMessages + this.#all.messages,
        unreadBytes: mailbox.unreadBytes + this.#all.bytes,
        keptBytes: mailbox.keptBytes + this.#all.bytes,
      },
      standing: {
        ...standing,
        unreadMessages: standing.unreadMessages + (own?.messages ?? 0),
        unreadBytes: standing.unreadBytes + (own?.bytes ?? 0),
      },
    };
  }
}

/** Whether a mailbox takes all these messages, whoever sends them. */
function takesThemAll(mailbox: HeldMailbox, sendings: readonly Sending[], limits: StoreLimits): boolean {
  const bytes = sendings.reduce((sum, sending) => sum + sending.bytes, 0);
  const fuller = {
    ...mailbox,
    unreadMessages: mailbox.unreadMessages + sendings.length - 1,
    unreadBytes: mailbox.unreadBytes + bytes,
  };
  return takesFromAll(fuller, bytes, limits);
}
