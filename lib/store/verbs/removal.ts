// The end of an account. Its row stays, so that nobody ever gets its name; what people received from it stays with them, under
// that name, unless its texts are to be cleared. That may be much, so it is done a little at a time, and goes on after a restart.
import { ChatError } from "../../errors.ts";
import { DAY_MS } from "../limits.ts";
import { noAccount } from "./accounts.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

/** Most texts cleared in one call: some 20 ms of work. */
const TEXTS_PER_CALL = 2_000;

/** Mailboxes looked through in one call. */
const MAILBOXES_PER_CALL = 1_000;

/** Clearing begins when every session of the account has surely ended, on whichever server: a look for them takes 30 s at most. */
const SESSIONS_END_MS = DAY_MS / 24 / 60;

/** @param pruneMailbox Takes away the messages to a removed account, as many as one call may. */
export function removalVerbs(
  context: VerbContext,
  pruneMailbox: (accountId: number, limit?: number) => Steps<number>,
) {
  const { dialect } = context;
  const { tables } = dialect;

  const named = query((p: { name: string }) =>
    tables.selectFrom("accounts").select("id as accountId").where("name", "=", p.name)
      .where("removed_at", "is", null)
  );
  const gone = query((p: { accountIds: string }) =>
    tables.selectFrom("accounts").select(["id as accountId", "name"])
      .where("id", "in", dialect.listed<number>(p.accountIds, "bigint"))
      .where((where) => where.or([where("removed_at", "is not", null), where("is_disabled", "=", 1)]))
  );
  const lockMailbox = query((p: { accountId: number }) =>
    dialect.forUpdate(
      tables.selectFrom("mailboxes").select(["read_sequence", "unread_bytes", "kept_bytes"])
        .where("account_id", "=", p.accountId),
    )
  );
  const lockAccount = query((p: { accountId: number }) =>
    dialect.forUpdate(
      tables.selectFrom("accounts").select("password_hash").where("id", "=", p.accountId)
        .where("removed_at", "is", null),
    )
  );
  const empty = query((p: { accountId: number; now: number; clearedUpTo: number | null }) =>
    tables.updateTable("accounts")
      .set({ removed_at: p.now, password_hash: "", email: null, last_seen_at: null, share_read: 0 })
      .set({ cleared_up_to: p.clearedUpTo })
      .where("id", "=", p.accountId)
  );
  const removeDevices = query((p: { accountId: number }) =>
    tables.deleteFrom("devices").where("account_id", "=", p.accountId)
  );
  const removeBlocks = query((p: { accountId: number }) =>
    tables.deleteFrom("blocks").where((where) =>
      where.or([where("account_id", "=", p.accountId), where("blocked_id", "=", p.accountId)])
    )
  );
  const toClear = query((p: { removedBefore: number }) =>
    tables.selectFrom("accounts").select(["id as accountId", "cleared_up_to"])
      .where("cleared_up_to", "is not", null).where("removed_at", "<=", p.removedBefore)
      .orderBy("id").limit(1)
  );
  const received = query((p: { accountId: number }) =>
    tables.selectFrom("messages").select("sequence").where("recipient_id", "=", p.accountId).limit(1)
  );
  const stretchEnd = query((p: { above: number; limit: number }) =>
    tables.selectFrom(
      tables.selectFrom("mailboxes").select("account_id").where("account_id", ">", p.above)
        .orderBy("account_id").limit(p.limit).as("stretch"),
    ).select((select) => [
      select.fn.max("account_id").as("last"),
      select.fn.countAll<number>().as("count"),
    ])
  );
  const recipients = query((p: { senderId: number; above: number; upTo: number }) =>
    tables.selectFrom("mailboxes").select("account_id as accountId")
      .where("account_id", ">", p.above).where("account_id", "<=", p.upTo)
      .where((where) =>
        where.exists(
          where.selectFrom("messages").select("sequence").whereRef("recipient_id", "=", "account_id")
            .where("sender_id", "=", p.senderId).where(dialect.textBytes, ">", 0),
        )
      ).orderBy("account_id")
  );
  const texts = query((p: { senderId: number; recipientId: number; limit: number }) =>
    tables.selectFrom("messages").select(["sequence", dialect.textBytes.as("bytes")])
      .where("recipient_id", "=", p.recipientId).where("sender_id", "=", p.senderId)
      .where(dialect.textBytes, ">", 0).orderBy("sequence").limit(p.limit)
  );
  const clear = query((p: { senderId: number; recipientId: number; upTo: number }) =>
    tables.updateTable("messages").set(dialect.noText)
      .where("recipient_id", "=", p.recipientId).where("sender_id", "=", p.senderId)
      .where("sequence", "<=", p.upTo).where(dialect.textBytes, ">", 0)
  );
  const save = query((p: { accountId: number; unreadBytes: number; keptBytes: number }) =>
    tables.updateTable("mailboxes").set({ unread_bytes: p.unreadBytes, kept_bytes: p.keptBytes })
      .where("account_id", "=", p.accountId)
  );
  const saveProgress = query((p: { accountId: number; clearedUpTo: number | null }) =>
    tables.updateTable("accounts").set("cleared_up_to", p.clearedUpTo).where("id", "=", p.accountId)
  );

  function* remove(accountId: number, clearsTexts: boolean): Steps<void> {
    yield* empty.run({ accountId, now: context.now, clearedUpTo: clearsTexts ? 0 : null });
    yield* removeDevices.run({ accountId });
    yield* removeBlocks.run({ accountId });
    context.forget();
    yield* pruneMailbox(accountId);
    yield* dialect.announce({ type: "logins_ended", accountId, reason: "revoked" });
  }

  /** Clears what one account wrote to another, at most so many texts; how many it were. */
  function* clearConversation(senderId: number, recipientId: number, limit: number): Steps<number> {
    const mailbox = yield* lockMailbox.first({ accountId: recipientId });
    if (mailbox === undefined) return 0;
    const rows = yield* texts.all({ senderId, recipientId, limit });
    if (rows.length === 0) return 0;
    let { unread_bytes: unreadBytes, kept_bytes: keptBytes } = mailbox;
    for (const { sequence, bytes } of rows) {
      keptBytes -= bytes;
      if (sequence > mailbox.read_sequence) unreadBytes -= bytes;
    }
    yield* clear.run({ senderId, recipientId, upTo: rows.at(-1)!.sequence });
    yield* save.run({ accountId: recipientId, unreadBytes, keptBytes });
    context.forget(recipientId);
    return rows.length;
  }

  return {
    reads: {
      *listGone(accountIds) {
        return yield* gone.all({ accountIds: JSON.stringify(accountIds) });
      },
    },
    writes: {
      *deleteAccount(accountId, formerHash) {
        // Mailboxes are locked before accounts, as everywhere.
        yield* lockMailbox.first({ accountId });
        const account = yield* lockAccount.first({ accountId });
        if (account === undefined) throw noAccount(accountId);
        if (account.password_hash !== formerHash) {
          throw new ChatError(
            "unauthenticated",
            "Cannot delete the account: its password has just been changed",
          );
        }
        yield* remove(accountId, true);
      },

      *removeAccount(name, clearsTexts = false) {
        const account = yield* named.first({ name });
        if (account === undefined) throw noAccount(name);
        const { accountId } = account;
        yield* lockMailbox.first({ accountId });
        yield* remove(accountId, clearsTexts);
      },

      *clearTexts(limit = TEXTS_PER_CALL) {
        const waiting = yield* toClear.first({ removedBefore: context.now - SESSIONS_END_MS });
        if (waiting === undefined) return { texts: 0, isDone: true };
        const { accountId } = waiting;
        // In a call of its own, as it locks this mailbox, and those below are locked in their order.
        if ((yield* received.first({ accountId })) !== undefined) {
          return { texts: yield* pruneMailbox(accountId, limit), isDone: false };
        }
        const above = waiting.cleared_up_to ?? 0;
        const { last, count } = (yield* stretchEnd.first({ above, limit: MAILBOXES_PER_CALL }))!;
        let cleared = 0;
        for (
          const recipient of last === null
            ? []
            : yield* recipients.all({ senderId: accountId, above, upTo: last })
        ) {
          const room = limit - cleared;
          cleared += yield* clearConversation(accountId, recipient.accountId, room);
          if (cleared < limit) continue;
          // There may be more for this one.
          yield* saveProgress.run({ accountId, clearedUpTo: recipient.accountId - 1 });
          return { texts: cleared, isDone: false };
        }
        const isLastStretch = count < MAILBOXES_PER_CALL;
        yield* saveProgress.run({ accountId, clearedUpTo: isLastStretch ? null : last });
        return { texts: cleared, isDone: false };
      },
    },
  } satisfies VerbSteps;
}
