import { ChatError } from "../../errors.ts";
import { noUser } from "../rules.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

/** Users that an account may block: their names fit one reply. */
const MAX_BLOCKED = 1_000;

export function userVerbs(context: VerbContext) {
  const { tables, forUpdate } = context.dialect;

  // Counting is a walk along messages_by_conversation, over what is unread only; the mailbox's limit bounds it.
  const users = (viewer: { viewerId: number; readSequence: number }) =>
    tables.selectFrom("accounts").select((select) => [
      "id as accountId",
      "name",
      "last_seen_at as lastSeenAt",
      "email",
      select.selectFrom("messages").select(select.fn.countAll<number>().as("count"))
        .whereRef("sender_id", "=", "accounts.id")
        .where("recipient_id", "=", viewer.viewerId)
        .where("sequence", ">", viewer.readSequence).$asScalar().$notNull().as("unreadCount"),
    ]).where("removed_at", "is", null);

  const page = query((p: { viewerId: number; readSequence: number; after: string; limit: number }) =>
    users(p).where("name", ">", p.after).orderBy("name").limit(p.limit)
  );
  const single = query((p: { viewerId: number; readSequence: number; name: string }) =>
    users(p).where("name", "=", p.name)
  );
  const readTo = query((p: { viewerId: number }) =>
    tables.selectFrom("mailboxes").select("read_sequence as readSequence").where(
      "account_id",
      "=",
      p.viewerId,
    )
  );
  const named = query((p: { name: string }) =>
    tables.selectFrom("accounts").select("id").where("name", "=", p.name).where("removed_at", "is", null)
  );
  const lock = query((p: { accountId: number }) =>
    forUpdate(tables.selectFrom("accounts").select("id").where("id", "=", p.accountId))
  );
  const blocked = query((p: { accountId: number }) =>
    tables.selectFrom("blocks").innerJoin("accounts", "accounts.id", "blocks.blocked_id").select("name")
      .where("account_id", "=", p.accountId).orderBy("name")
  );
  const countBlocked = query((p: { accountId: number }) =>
    tables.selectFrom("blocks").select((select) => select.fn.countAll<number>().as("amount"))
      .where("account_id", "=", p.accountId)
  );
  const block = query((p: { accountId: number; blockedId: number }) =>
    tables.insertInto("blocks").values({ account_id: p.accountId, blocked_id: p.blockedId })
      .onConflict((conflict) => conflict.doNothing())
  );
  const unblock = query((p: { accountId: number; blockedId: number }) =>
    tables.deleteFrom("blocks").where("account_id", "=", p.accountId).where("blocked_id", "=", p.blockedId)
  );

  function* viewerOf(viewerId: number) {
    return { viewerId, readSequence: (yield* readTo.first({ viewerId }))?.readSequence ?? 0 };
  }

  function* idOf(name: string): Steps<number> {
    const account = yield* named.first({ name });
    if (account === undefined) throw noUser(name);
    return account.id;
  }

  return {
    reads: {
      *listUsers({ viewerId, after, limit }) {
        // No name sorts before the empty text.
        const rows = yield* page.all({
          ...(yield* viewerOf(viewerId)),
          after: after ?? "",
          limit: limit + 1,
        });
        const { page: users, next } = pageByName(rows, limit);
        return { users, next };
      },

      *findUser(name, viewerId) {
        return (yield* single.first({ ...(yield* viewerOf(viewerId)), name })) ?? null;
      },

      *listBlocked(accountId) {
        return (yield* blocked.all({ accountId })).map((row) => row.name);
      },
    },
    writes: {
      *blockUser(accountId, name) {
        const blockedId = yield* idOf(name);
        if (blockedId === accountId) throw new ChatError("invalid", "Cannot block yourself");
        yield* lock.first({ accountId });
        if ((yield* countBlocked.first({ accountId }))!.amount >= MAX_BLOCKED) {
          throw new ChatError(
            "too_large",
            `Cannot block more than ${MAX_BLOCKED} users: unblock somebody first`,
          );
        }
        yield* block.run({ accountId, blockedId });
        context.forget(accountId);
      },

      *unblockUser(accountId, name) {
        yield* unblock.run({ accountId, blockedId: yield* idOf(name) });
        context.forget(accountId);
      },
    },
  } satisfies VerbSteps;
}

/** Cuts off the one row too many that tells whether there is a next page. */
export function pageByName<Row extends { readonly name: string }>(rows: readonly Row[], limit: number) {
  const page = rows.slice(0, limit);
  return { page, next: rows.length > limit ? page.at(-1)?.name ?? null : null };
}
