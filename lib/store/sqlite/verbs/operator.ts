import { sql } from "kysely";
import { whyClosed } from "./invites.ts";
import { pageByName } from "./users.ts";
import type { Mailbox } from "../mailbox_cache.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";

/** Most problems reported by one check; a broken file has thousands of the same kind. */
const MAX_PROBLEMS = 20;

/** @param pruneMailbox Takes away the messages of a removed account, as many as one call may. */
export function operatorVerbs(context: ServerContext, pruneMailbox: (mailbox: Mailbox) => void) {
  const { database, cache } = context;
  const { tables } = database;

  return {
    reads: {
      listAccounts({ after, limit }) {
        cache.flush();
        const rows = database.all(
          tables.selectFrom("accounts").innerJoin("mailboxes", "mailboxes.account_id", "accounts.id")
            .select(["id as accountId", "name", "created_at as createdAt", "last_seen_at as lastSeenAt"])
            .select(["unread_messages as unreadMessages", "unread_bytes as unreadBytes", "is_disabled"])
            .select((select) =>
              select.selectFrom("devices").select(select.fn.countAll<number>().as("count"))
                .whereRef("devices.account_id", "=", "accounts.id").$asScalar().$notNull().as("deviceCount")
            )
            .where("removed_at", "is", null).where("name", ">", after ?? "").orderBy("name").limit(limit + 1),
        );
        const { page, next } = pageByName(rows, limit);
        const accounts = page.map(({ is_disabled, ...account }) => ({
          ...account,
          isDisabled: is_disabled === 1,
        }));
        return { accounts, next };
      },

      counts() {
        cache.flush();
        const invites = database.all(tables.selectFrom("invites").selectAll());
        const openInvites = invites.filter((invite) => whyClosed(invite, context.now) === null).length;
        const counts = database.get(tables.selectNoFrom([
          sql<number>`(SELECT count(*) FROM accounts WHERE removed_at IS NULL)`.as("accounts"),
          sql<number>`(SELECT count(*) FROM devices)`.as("devices"),
          sql<number>`(SELECT count(*) FROM devices WHERE token_hash IS NOT NULL)`.as("sessions"),
          sql<number>`(SELECT count(*) FROM messages)`.as("messages"),
          sql<number>`(SELECT coalesce(sum(unread_messages), 0) FROM mailboxes
            WHERE account_id IN (SELECT id FROM accounts WHERE removed_at IS NULL))`.as("unreadMessages"),
          sql<number>`(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)`
            .as("databaseBytes"),
        ]))!;
        return { ...counts, openInvites };
      },

      checkIntegrity() {
        cache.flush();
        const lines = database.connection.prepare(`PRAGMA integrity_check(${MAX_PROBLEMS})`).all();
        const problems = lines.map((line) => String(line["integrity_check"])).filter((line) => line !== "ok");
        // A damaged file can say nothing that is worth comparing.
        if (problems.length > 0) return problems;
        const references = database.connection.prepare("PRAGMA foreign_key_check").all();
        const broken = references.map((row) =>
          `a row of ${row["table"]} refers to a row of ${row["parent"]} that is gone`
        );
        return [...broken, ...wrongTotals()].slice(0, MAX_PROBLEMS);
      },

      dataVersion() {
        return database.dataVersion();
      },
    },
    writes: {
      setDisabled(name, isDisabled) {
        const { accountId } = cache.getByName(name, "account");
        const query = tables.updateTable("accounts").set("is_disabled", isDisabled ? 1 : 0);
        database.run(query.where("id", "=", accountId));
        if (!isDisabled) return;
        database.run(
          tables.updateTable("devices").set("token_hash", null).where("account_id", "=", accountId),
        );
      },

      removeAccount(name) {
        const { accountId } = cache.getByName(name, "account");
        cache.flush();
        const emptied = { password_hash: "", email: null, last_seen_at: null, share_read: 0 };
        const query = tables.updateTable("accounts").set({ removed_at: context.now, ...emptied });
        database.run(query.where("id", "=", accountId));
        database.run(tables.deleteFrom("devices").where("account_id", "=", accountId));
        database.run(
          tables.deleteFrom("blocks").where((where) =>
            where.or([where("account_id", "=", accountId), where("blocked_id", "=", accountId)])
          ),
        );
        cache.forget();
        pruneMailbox(cache.find(accountId)!);
      },
    },
  } satisfies SomeVerbs;

  /** Mailboxes whose running totals are not the sums that they stand for. */
  function wrongTotals(): string[] {
    const unread = sql`sequence > read_sequence`;
    const rows = database.all(
      tables.selectFrom("mailboxes").innerJoin("accounts", "accounts.id", "mailboxes.account_id")
        .leftJoin("messages", "messages.recipient_id", "mailboxes.account_id")
        .select(["name", "unread_messages", "unread_bytes", "kept_bytes", "highest_sequence"])
        .select([
          sql<number>`count(sequence) FILTER (WHERE ${unread})`.as("unread"),
          sql<number>`coalesce(sum(octet_length(text)) FILTER (WHERE ${unread}), 0)`.as("unread_sum"),
          sql<number>`coalesce(sum(octet_length(text)), 0)`.as("kept_sum"),
          sql<number>`coalesce(max(sequence), 0)`.as("highest"),
        ])
        .groupBy("mailboxes.account_id"),
    );
    return rows.filter((row) =>
      row.unread !== row.unread_messages || row.unread_sum !== row.unread_bytes ||
      row.kept_sum !== row.kept_bytes || row.highest > row.highest_sequence
    ).map((row) =>
      `the totals of ${row.name} are wrong: ${row.unread_messages} unread messages of ${row.unread_bytes} bytes, ` +
      `${row.kept_bytes} bytes kept, where ${row.unread} of ${row.unread_sum} and ${row.kept_sum} are there`
    );
  }
}
