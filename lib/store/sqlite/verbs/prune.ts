// Pruning: takes away what the limits no longer keep, a little at a time.
// A message may go once every active device of its recipient has shown it, and it is older than the history's days or
// beyond its bytes. Without an active device, the highest cursor that the account ever had counts.
import { sql } from "kysely";
import type { Mailbox } from "../mailbox_cache.ts";
import { DAY_MS, DEVICE_IDLE_MS } from "../../limits.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";
import { textBytes } from "../whole_text.ts";

/** Most messages taken away in one call: some 20 ms of work. */
const MESSAGES_PER_CALL = 2_000;

const MAILBOXES_PER_CALL = 500;

export function pruneVerbs(context: ServerContext) {
  const { database, cache, limits } = context;
  const { tables } = database;
  /** Where the next call goes on in its round over all mailboxes; lost at a restart, which only begins a new round. */
  let lastAccountId = 0;

  const candidates = database.prepare((p: { above: number; limit: number }) =>
    tables.selectFrom("mailboxes").innerJoin("accounts", "accounts.id", "mailboxes.account_id")
      .select("account_id").where("account_id", ">", p.above)
      .where(sql<boolean>`(kept_bytes > unread_bytes OR removed_at IS NOT NULL)`)
      .orderBy("account_id").limit(p.limit)
  );
  const slowest = database.prepare((p: { accountId: number; activeAfter: number }) =>
    tables.selectFrom("devices").select(sql<number | null>`min(read_sequence)`.as("sequence"))
      .where("account_id", "=", p.accountId).where("last_used_at", ">=", p.activeAfter)
  );
  const oldest = database.prepare((p: { accountId: number; upTo: number; limit: number }) =>
    tables.selectFrom("messages").select(["sequence", "stored_at", textBytes])
      .where("recipient_id", "=", p.accountId).where("sequence", "<=", p.upTo)
      .orderBy("sequence").limit(p.limit)
  );
  const remove = database.prepare((p: { accountId: number; upTo: number }) =>
    tables.deleteFrom("messages").where("recipient_id", "=", p.accountId).where("sequence", "<=", p.upTo)
  );

  function pruneMailbox(mailbox: Mailbox, limit: number = MESSAGES_PER_CALL): number {
    const { accountId } = mailbox;
    const activeAfter = context.now - DEVICE_IDLE_MS;
    const slowestRead = slowest.get({ accountId, activeAfter })?.sequence;
    const upTo = mailbox.isRemoved ? mailbox.highestSequence : slowestRead ?? mailbox.readSequence;
    const keptAfter = context.now - limits.historyDays * DAY_MS;
    let goneUpTo = 0;
    let gone = 0;
    for (const { sequence, stored_at, bytes } of oldest.iterate({ accountId, upTo, limit })) {
      const isOver = stored_at < keptAfter || mailbox.keptBytes - mailbox.unreadBytes > limits.historyBytes;
      if (!mailbox.isRemoved && !isOver) break;
      goneUpTo = sequence;
      gone += 1;
      mailbox.keptBytes -= bytes;
      if (sequence <= mailbox.readSequence) continue;
      mailbox.unreadMessages -= 1;
      mailbox.unreadBytes -= bytes;
    }
    if (gone > 0) {
      remove.run({ accountId, upTo: goneUpTo });
      cache.markChanged(mailbox);
    }
    return gone;
  }

  function pruneDevices(): number {
    const unusedSince = context.now - DEVICE_IDLE_MS;
    const devices = database.run(tables.deleteFrom("devices").where("last_used_at", "<", unusedSince));
    if (devices > 0) cache.forget();
    return devices;
  }

  return {
    pruneMailbox,
    reads: {},
    writes: {
      prune(limit = MESSAGES_PER_CALL) {
        cache.flush();
        const devices = pruneDevices();
        let messages = 0;
        const accounts = candidates.all({ above: lastAccountId, limit: MAILBOXES_PER_CALL });
        for (const { account_id: accountId } of accounts) {
          messages += pruneMailbox(cache.find(accountId)!, limit - messages);
          if (messages >= limit) return { messages, devices, isDone: false };
          lastAccountId = accountId;
        }
        const isDone = accounts.length < MAILBOXES_PER_CALL;
        if (isDone) lastAccountId = 0;
        return { messages, devices, isDone };
      },
    },
  } satisfies SomeVerbs & { readonly pruneMailbox: unknown };
}
