import { sql } from "kysely";
import { noAccount, settingsOf } from "./accounts.ts";
import { whyClosed } from "./invites.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";
import { pageByName } from "./users.ts";

/** Most problems reported by one check; a broken file has thousands of the same kind. */
const MAX_PROBLEMS = 20;

/**
 * How far the sequences leap after a restore: to where the clock is, at more messages than any server stores. So two restores of
 * one backup do not meet either. The number stays exact in JavaScript until the year 2248.
 */
const SEQUENCES_PER_MS = 1_024;
/** What they leap at least, if the clock was wrong. */
const LEAST_LEAP = 2 ** 32;

export function operatorVerbs(context: VerbContext) {
  const { dialect } = context;
  const { tables } = dialect;

  const accounts = query((p: { after: string; limit: number }) =>
    tables.selectFrom("accounts").innerJoin("mailboxes", "mailboxes.account_id", "accounts.id")
      .select(["id as accountId", "name", "created_at as createdAt", "last_seen_at as lastSeenAt"])
      .select(["unread_messages as unreadMessages", "unread_bytes as unreadBytes", "is_disabled"])
      .select((select) =>
        select.selectFrom("devices").select(select.fn.countAll<number>().as("count"))
          .whereRef("devices.account_id", "=", "accounts.id").$asScalar().$notNull().as("deviceCount")
      )
      .where("removed_at", "is", null).where("name", ">", p.after).orderBy("name").limit(p.limit)
  );
  const invites = query(() => tables.selectFrom("invites").selectAll());
  const unreadMessages = sql<number>`(SELECT CAST(coalesce(sum(unread_messages), 0) AS BIGINT) FROM mailboxes
    WHERE account_id IN (SELECT id FROM accounts WHERE removed_at IS NULL))`.as("unreadMessages");
  const databaseBytes = dialect.databaseBytes.as("databaseBytes");
  const sizes = query(() =>
    tables.selectNoFrom([
      sql<number>`(SELECT count(*) FROM accounts WHERE removed_at IS NULL)`.as("accounts"),
      sql<number>`(SELECT count(*) FROM devices)`.as("devices"),
      sql<number>`(SELECT count(*) FROM devices WHERE token_hash IS NOT NULL)`.as("sessions"),
      sql<number>`(SELECT count(*) FROM messages)`.as("messages"),
      unreadMessages,
      databaseBytes,
    ])
  );
  const keptTotals = query(() => tables.selectNoFrom([unreadMessages, databaseBytes]));
  const newest = query((p: { before: number }) =>
    tables.selectFrom("messages").select("stored_at").where("stored_at", "<", p.before)
      .orderBy("sequence", "desc").limit(1)
  );
  const lastUsed = query((p: { before: number }) =>
    tables.selectFrom("devices").select("last_used_at").where("last_used_at", "<", p.before)
      .orderBy("last_used_at", "desc").limit(1)
  );
  // One seek for each mailbox with something unread; the lowest sequence is the oldest message.
  const oldestUnread = query(() =>
    tables.selectFrom("messages").select("stored_at").where(
      "sequence",
      "=",
      (select) =>
        select.selectFrom("mailboxes").where("unread_messages", ">", 0)
          .where(
            "account_id",
            "in",
            tables.selectFrom("accounts").select("id").where("removed_at", "is", null),
          )
          .select(
            sql<number>`min((SELECT min(sequence) FROM messages
          WHERE recipient_id = account_id AND sequence > read_sequence))`.as("sequence"),
          ),
    )
  );
  const keptBytes = query(() =>
    tables.selectFrom("mailboxes").select(
      sql<number>`CAST(coalesce(sum(kept_bytes), 0) AS BIGINT)`.as("bytes"),
    )
  );
  const isUnread = sql`sequence > read_sequence`;
  const bytes = dialect.textBytes;
  const totals = query(() =>
    tables.selectFrom("mailboxes").innerJoin("accounts", "accounts.id", "mailboxes.account_id")
      .leftJoin("messages", "messages.recipient_id", "mailboxes.account_id")
      .select(["name", "unread_messages", "unread_bytes", "kept_bytes", "highest_sequence"])
      .select([
        sql<number>`count(sequence) FILTER (WHERE ${isUnread})`.as("unread"),
        sql<number>`CAST(coalesce(sum(${bytes}) FILTER (WHERE ${isUnread}), 0) AS BIGINT)`.as("unread_sum"),
        sql<number>`CAST(coalesce(sum(${bytes}), 0) AS BIGINT)`.as("kept_sum"),
        sql<number>`coalesce(max(sequence), 0)`.as("highest"),
      ])
      .groupBy(["mailboxes.account_id", "accounts.id"])
  );
  const named = query((p: { name: string }) =>
    tables.selectFrom("accounts").select("id as accountId").where("name", "=", p.name)
      .where("removed_at", "is", null)
  );
  const details = query((p: { name: string }) =>
    tables.selectFrom("accounts").select(["id as accountId", "name", "share_read", "email"])
      .where("name", "=", p.name).where("removed_at", "is", null)
  );
  const blocked = query((p: { accountId: number }) =>
    tables.selectFrom("blocks").innerJoin("accounts", "accounts.id", "blocks.blocked_id").select("name")
      .where("account_id", "=", p.accountId).orderBy("name")
  );
  const disable = query((p: { accountId: number; isDisabled: number }) =>
    tables.updateTable("accounts").set("is_disabled", p.isDisabled).where("id", "=", p.accountId)
  );
  const endLogins = query((p: { accountId: number }) =>
    tables.updateTable("devices").set("token_hash", null).where("account_id", "=", p.accountId)
  );

  function* idOf(name: string): Steps<number> {
    const account = yield* named.first({ name });
    if (account === undefined) throw noAccount(name);
    return account.accountId;
  }

  /** Mailboxes whose running totals are not the sums that they stand for. */
  function* wrongTotals(): Steps<string[]> {
    return (yield* totals.all({})).filter((row) =>
      row.unread !== row.unread_messages || row.unread_sum !== row.unread_bytes ||
      row.kept_sum !== row.kept_bytes || row.highest > row.highest_sequence
    ).map((row) =>
      `the totals of ${row.name} are wrong: ${row.unread_messages} unread messages of ${row.unread_bytes} bytes, ` +
      `${row.kept_bytes} bytes kept, where ${row.unread} of ${row.unread_sum} and ${row.kept_sum} are there`
    );
  }

  return {
    reads: {
      *listAccounts({ after, limit }) {
        const rows = yield* accounts.all({ after: after ?? "", limit: limit + 1 });
        const { page, next } = pageByName(rows, limit);
        return {
          accounts: page.map(({ is_disabled, ...account }) => ({
            ...account,
            isDisabled: is_disabled === 1,
          })),
          next,
        };
      },

      *counts() {
        const open = (yield* invites.all({})).filter((invite) => whyClosed(invite, context.now) === null);
        return { ...(yield* sizes.first({}))!, openInvites: open.length };
      },

      *lastActiveAt({ from, before }) {
        const used = (yield* lastUsed.first({ before }))?.last_used_at ?? null;
        if (used !== null && used >= from) return used;
        const stored = (yield* newest.first({ before }))?.stored_at ?? null;
        return used === null || stored === null ? used ?? stored : Math.max(used, stored);
      },

      *survey() {
        return {
          ...(yield* dialect.roughMessages()),
          ...(yield* keptTotals.first({}))!,
          textBytes: (yield* keptBytes.first({}))!.bytes,
          oldestUnreadAt: (yield* oldestUnread.first({}))?.stored_at ?? null,
          newestStoredAt: (yield* newest.first({ before: Number.MAX_SAFE_INTEGER }))?.stored_at ?? null,
        };
      },

      *checkIntegrity() {
        const problems = yield* dialect.checkFile();
        // A damaged file can say nothing that is worth comparing.
        if (problems.length > 0) return problems.slice(0, MAX_PROBLEMS);
        return (yield* wrongTotals()).slice(0, MAX_PROBLEMS);
      },
    },
    writes: {
      *openAccount(name) {
        const account = yield* details.first({ name });
        if (account === undefined) throw noAccount(name);
        const { share_read, email, ...named } = account;
        const names = yield* blocked.all({ accountId: named.accountId });
        return { ...named, ...settingsOf({ share_read, email }), blocked: names.map((row) => row.name) };
      },

      *setDisabled(name, isDisabled) {
        const accountId = yield* idOf(name);
        yield* disable.run({ accountId, isDisabled: isDisabled ? 1 : 0 });
        if (!isDisabled) return;
        yield* endLogins.run({ accountId });
        yield* dialect.announce({ type: "logins_ended", accountId, reason: "revoked" });
      },

      *leapAhead() {
        const last = yield* dialect.lastSequence();
        yield* dialect.setLastSequence(Math.max(last + LEAST_LEAP, context.now * SEQUENCES_PER_MS));
      },
    },
  } satisfies VerbSteps;
}
