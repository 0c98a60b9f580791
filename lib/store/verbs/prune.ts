// Pruning: takes away what the limits no longer keep, a little at a time; and what is over: unused devices, ended bans, old audit.
// A message may go once it is history: its recipient has read it on some device, and then every other active device has shown it,
// or had a week to do so; and once it is older than the history's days or beyond its bytes. Without the week, a device that is
// signed in and never used would keep all of them, until the mailbox takes nothing more.
import { sql } from "kysely";
import { DAY_MS, DEVICE_IDLE_MS, DEVICE_LAG_MS } from "../limits.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

/** Most messages taken away in one call: some 20 ms of work. */
const MESSAGES_PER_CALL = 2_000;

const MAILBOXES_PER_CALL = 500;

/** Days that an entry of the audit log is kept: two years. */
const AUDIT_DAYS = 730;

export function pruneVerbs(context: VerbContext) {
  const { dialect, limits } = context;
  const { tables } = dialect;
  /** Where the next call goes on in its round over all mailboxes; lost at a restart, which only begins a new round. */
  let lastAccountId = 0;

  // A look without a lock: of most mailboxes nothing may go yet.
  const stretch = query((p: { above: number; limit: number }) =>
    tables.selectFrom("mailboxes").innerJoin("accounts", "accounts.id", "mailboxes.account_id")
      .select(["account_id", "removed_at", sql<number>`kept_bytes - unread_bytes`.as("history_bytes")])
      .select(
        sql<number | null>`(SELECT stored_at FROM messages WHERE recipient_id = account_id
          AND sequence <= CASE WHEN removed_at IS NULL THEN read_sequence ELSE highest_sequence END
          ORDER BY sequence LIMIT 1)`.as("oldest_at"),
      )
      .where("account_id", ">", p.above).orderBy("account_id").limit(p.limit)
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
  const oldest = query((p: { accountId: number; above: number; upTo: number; limit: number }) =>
    tables.selectFrom("messages").select(["sequence", "stored_at", dialect.textBytes.as("bytes")])
      .where("recipient_id", "=", p.accountId)
      .where("sequence", ">", p.above).where("sequence", "<=", p.upTo).orderBy("sequence").limit(p.limit)
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

  // Here and nowhere else, as it is the one that does not believe every clock.
  const removeAudit = query((p: { before: number }) =>
    tables.deleteFrom("audit_log").where("at", "<", p.before)
  );
  const removeBans = query((p: { now: number }) => tables.deleteFrom("bans").where("ends_at", "<=", p.now));

  function isTooMuch(oldestAt: number, historyBytes: number): boolean {
    return oldestAt < context.now - limits.historyDays * DAY_MS || historyBytes > limits.historyBytes;
  }

  function* pruneMailbox(accountId: number, limit: number = MESSAGES_PER_CALL): Steps<number> {
    const mailbox = yield* lock.first({ accountId });
    if (mailbox === undefined) return 0;
    const isRemoved = (yield* owner.first({ accountId }))?.removed_at !== null;
    const activeAfter = context.now - DEVICE_IDLE_MS;
    const slowestRead = (yield* slowest.first({ accountId, activeAfter }))?.sequence;
    const shownTo = slowestRead ?? mailbox.read_sequence;
    const upTo = isRemoved ? mailbox.highest_sequence : mailbox.read_sequence;
    const heldAfter = context.now - DEVICE_LAG_MS;
    let { unread_messages, unread_bytes, kept_bytes } = mailbox;
    const mayGo = ({ sequence, stored_at }: { sequence: number; stored_at: number }) =>
      isRemoved ||
      ((sequence <= shownTo || stored_at < heldAfter) && isTooMuch(stored_at, kept_bytes - unread_bytes));
    let goneUpTo = 0;
    let gone = 0;
    // Mostly none may go, or one or two: no more are read than a few times those that go.
    for (let wanted = 1, isLast = false; !isLast; wanted = Math.min(wanted * 4, limit - gone)) {
      const page = yield* oldest.all({ accountId, above: goneUpTo, upTo, limit: wanted });
      isLast = page.length < wanted || gone + wanted >= limit;
      for (const message of page) {
        if (!mayGo(message)) {
          isLast = true;
          break;
        }
        const { sequence, bytes } = message;
        goneUpTo = sequence;
        gone += 1;
        kept_bytes -= bytes;
        if (sequence <= mailbox.read_sequence) continue;
        unread_messages -= 1;
        unread_bytes -= bytes;
      }
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
        if (lastAccountId === 0) {
          yield* removeAudit.run({ before: context.now - AUDIT_DAYS * DAY_MS });
          yield* removeBans.run({ now: context.now });
        }
        let messages = 0;
        const mailboxes = yield* stretch.all({ above: lastAccountId, limit: MAILBOXES_PER_CALL });
        for (const { account_id: accountId, removed_at, history_bytes, oldest_at } of mailboxes) {
          if (oldest_at !== null && (removed_at !== null || isTooMuch(oldest_at, history_bytes))) {
            messages += yield* pruneMailbox(accountId, limit - messages);
            if (messages >= limit) return { messages, devices, isDone: false };
          }
          lastAccountId = accountId;
        }
        const isDone = mailboxes.length < MAILBOXES_PER_CALL;
        if (isDone) lastAccountId = 0;
        return { messages, devices, isDone };
      },
    },
  } satisfies VerbSteps & { readonly pruneMailbox: unknown };
}
