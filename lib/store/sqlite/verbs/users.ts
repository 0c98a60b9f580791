import { ChatError } from "../../../errors.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";

/** Users that an account may block: their names fit one reply. */
const MAX_BLOCKED = 1_000;

export function userVerbs(context: ServerContext) {
  const { database, cache } = context;
  const { tables } = database;

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

  const page = database.prepare((
    p: { viewerId: number; readSequence: number; after: string; limit: number },
  ) => users(p).where("name", ">", p.after).orderBy("name").limit(p.limit));
  const single = database.prepare((p: { viewerId: number; readSequence: number; name: string }) =>
    users(p).where("name", "=", p.name)
  );
  const blocked = database.prepare((p: { accountId: number }) =>
    tables.selectFrom("blocks").innerJoin("accounts", "accounts.id", "blocks.blocked_id").select("name")
      .where("account_id", "=", p.accountId).orderBy("name")
  );

  function viewerOf(viewerId: number) {
    return { viewerId, readSequence: cache.find(viewerId)?.readSequence ?? 0 };
  }

  return {
    reads: {
      listUsers({ viewerId, after, limit }) {
        // No name sorts before the empty text.
        const rows = page.all({ ...viewerOf(viewerId), after: after ?? "", limit: limit + 1 });
        const { page: users, next } = pageByName(rows, limit);
        return { users, next };
      },

      findUser(name, viewerId) {
        return single.get({ ...viewerOf(viewerId), name }) ?? null;
      },

      listBlocked(accountId) {
        return blocked.all({ accountId }).map((row) => row.name);
      },
    },
    writes: {
      blockUser(accountId, name) {
        const { accountId: blockedId } = cache.getByName(name);
        if (blockedId === accountId) throw new ChatError("invalid", "Cannot block yourself");
        if ((cache.find(accountId)?.blocked.size ?? 0) >= MAX_BLOCKED) {
          throw new ChatError(
            "too_large",
            `Cannot block more than ${MAX_BLOCKED} users: unblock somebody first`,
          );
        }
        database.run(
          tables.insertInto("blocks").values({ account_id: accountId, blocked_id: blockedId })
            .onConflict((conflict) => conflict.doNothing()),
        );
        cache.evict(accountId);
      },

      unblockUser(accountId, name) {
        const { accountId: blockedId } = cache.getByName(name);
        database.run(
          tables.deleteFrom("blocks").where("account_id", "=", accountId).where("blocked_id", "=", blockedId),
        );
        cache.evict(accountId);
      },
    },
  } satisfies SomeVerbs;
}

/** Cuts off the one row too many that tells whether there is a next page. */
export function pageByName<Row extends { readonly name: string }>(rows: readonly Row[], limit: number) {
  const page = rows.slice(0, limit);
  return { page, next: rows.length > limit ? page.at(-1)?.name ?? null : null };
}
