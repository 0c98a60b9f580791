// Pruning: takes away what the limits no longer keep, a little at a time.
// A message may go once every active device of its recipient has shown it, and it is older than the history's days or
// beyond its bytes. Without an active device, the highest cursor that the account ever had counts.
import { sql } from "kysely";
import { DAY_MS, DEVICE_IDLE_MS } from "../limits.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

/** Most messages taken away in one call: some 20 ms of work. */
const MESSAGES_PER_CALL = 2_000;

const MAILBOXES_PER_CALL = 500;

export function pruneVerbs(context: VerbContext) {
  const { dialect, limits } = context;
  const { tables } = dialect;
  /** Where the next call goes on in its round over all mailboxes; lost at a restart, which only begins a new round. */
  let lastAccountId = 0;

  const candidates = query((p: { above: number; limit: number }) =>
    tables.selectFrom("mailboxes").innerJoin("accounts", "accounts.id", "mailboxes.account_id")
      .select("account_id").where("account_id", ">", p.above)
      .where(sql<boolean>`(kept_bytes > unread_bytes OR removed_at IS NOT NULL)`)
      .orderBy("account_id").limit(p.limit)
  );
  // Whoever changes a mailbox's totals holds its row from before it reads them.
  const lock = query((p: { accountId: number }) =>
    dialect.forUpdate(
      tables.selectFrom("mailboxes").select(["highest_sequence", "read_sequence"])
        .select(["unread_messages", "unread_bytes", "kept_bytes"]).where("account_id", "=", p.accountId),
    )
  );
  const owner = query((p: { accountId: number }) =>
    tables.selectFrom("accounts").select("removed_at").where("id", "=", p.accountId)
  );
  const slowest = query((p: { accountId: number; activeAfter: number }) =>
    tables.selectFrom("devices").select(sql<number | null>`min(read_sequence)`.as("sequence"))
      .where("account_id", "=", p.accountId).where("last_used_at", ">=", p.activeAfter)
  );
  const oldest = query((p: { accountId: number; upTo: number; limit: number }) =>
    tables.selectFrom("messages").select(["sequence", "stored_at", dialect.textBytes.as("bytes")])
      .where("recipient_id", "=", p.accountId).where("sequence", "<=", p.upTo)
      .orderBy("sequence").limit(p.limit)
  );
  const remove = query((p: { accountId: number; upTo: number }) =>
    tables.deleteFrom("messages").where("recipient_id", "=", p.accountId).where("sequence", "<=", p.upTo)
  );
  const save = query((
    p: { accountId: number; unread_messages: number; unread_bytes: number; kept_bytes: number },
  ) =>
    tables.updateTable("mailboxes").set({
      unread_messages: p.unread_messages,
      unread_bytes: p.unread_bytes,
      kept_bytes: p.kept_bytes,
    }).where("account_id", "=", p.accountId)
  );
  const removeDevices = query((p: { unusedSince: number }) =>
    tables.deleteFrom("devices").where("last_used_at", "<", p.unusedSince)
  );

  function* pruneMailbox(accountId: number, limit: number = MESSAGES_PER_CALL): Steps<number> {
    const mailbox = yield* lock.first({ accountId });
    if (mailbox === undefined) return 0;
    const isRemoved = (yield* owner.first({ accountId }))?.removed_at !== null;
    const activeAfter = context.now - DEVICE_IDLE_MS;
    const slowestRead = (yield* slowest.first({ accountId, activeAfter }))?.sequence;
    const upTo = isRemoved ? mailbox.highest_sequence : slowestRead ?? mailbox.read_sequence;
    const keptAfter = context.now - limits.historyDays * DAY_MS;
    let { unread_messages, unread_bytes, kept_bytes } = mailbox;
    let goneUpTo = 0;
    let gone = 0;
    for (const { sequence, stored_at, bytes } of yield* oldest.all({ accountId, upTo, limit })) {
      const isOver = stored_at < keptAfter || kept_bytes - unread_bytes > limits.historyBytes;
      if (!isRemoved && !isOver) break;
      goneUpTo = sequence;
      gone += 1;
      kept_bytes -= bytes;
      if (sequence <= mailbox.read_sequence) continue;
      unread_messages -= 1;
      unread_bytes -= bytes;
    }
    if (gone > 0) {
      yield* remove.run({ accountId, upTo: goneUpTo });
      yield* save.run({ accountId, unread_messages, unread_bytes, kept_bytes });
      context.forget(accountId);
    }
    return gone;
  }

  return {
    pruneMailbox,
    reads: {},
    writes: {
      *prune(limit = MESSAGES_PER_CALL) {
        const devices = yield* removeDevices.run({ unusedSince: context.now - DEVICE_IDLE_MS });
        if (devices > 0) context.forget();
        let messages = 0;
        const accounts = yield* candidates.all({ above: lastAccountId, limit: MAILBOXES_PER_CALL });
        for (const { account_id: accountId } of accounts) {
          messages += yield* pruneMailbox(accountId, limit - messages);
          if (messages >= limit) return { messages, devices, isDone: false };
          lastAccountId = accountId;
        }
        const isDone = accounts.length < MAILBOXES_PER_CALL;
        if (isDone) lastAccountId = 0;
        return { messages, devices, isDone };
      },
    },
  } satisfies VerbSteps & { readonly pruneMailbox: unknown };
}
