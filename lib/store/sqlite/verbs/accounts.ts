import { ChatError } from "../../../errors.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";
import type { Settings } from "../../../chat/store.ts";
import { whyClosed } from "./invites.ts";

export function accountVerbs(context: ServerContext) {
  const { database, cache } = context;
  const { tables } = database;

  const credentials = database.prepare((p: { name: string }) =>
    tables.selectFrom("accounts").select(["id as accountId", "name", "password_hash as passwordHash"])
      .where("name", "=", p.name).where("removed_at", "is", null)
  );
  const settings = database.prepare((p: { accountId: number }) =>
    tables.selectFrom("accounts").select(["share_read", "email"])
      .where("id", "=", p.accountId).where("removed_at", "is", null)
  );
  const seen = database.prepare((p: { accountId: number; at: number }) =>
    tables.updateTable("accounts").set({ last_seen_at: p.at }).where("id", "=", p.accountId)
      .where((where) => where.or([where("last_seen_at", "is", null), where("last_seen_at", "<", p.at)]))
  );

  function useJoinCode(code: string): void {
    const invite = database.get(tables.selectFrom("invites").selectAll().where("code", "=", code));
    const reason = whyClosed(invite, context.now);
    if (reason !== null) {
      throw new ChatError("forbidden", `Cannot register with this invite: ${reason}; ask for a new one`);
    }
    database.run(tables.updateTable("invites").set("uses", invite!.uses + 1).where("code", "=", code));
  }

  function getSettings(accountId: number): Settings {
    const row = settings.get({ accountId });
    if (row === undefined) throw noAccount(accountId);
    return settingsOf(row);
  }

  return {
    getSettings,
    reads: {
      findCredentials(name, deviceId) {
        const account = credentials.get({ name });
        if (account === undefined) return null;
        const isKnownDevice = deviceId !== null && cache.findDevice(deviceId, account.accountId) !== null;
        return { ...account, isKnownDevice };
      },
    },
    writes: {
      createAccount({ name, passwordHash, joinCode }) {
        // Removed accounts count: their names stay taken.
        const taken = database.get(tables.selectFrom("accounts").select("id").where("name", "=", name));
        if (taken !== undefined) {
          throw new ChatError("conflict", `Cannot register as the name is taken: ${name}; choose another`);
        }
        if (joinCode !== null) useJoinCode(joinCode);
        const { id } = database.get(
          tables.insertInto("accounts").values({ name, password_hash: passwordHash, created_at: context.now })
            .returning("id"),
        )!;
        database.run(tables.insertInto("mailboxes").values({ account_id: id }));
        return { accountId: id };
      },

      markSeen(accountId, at) {
        seen.run({ accountId, at });
      },

      updateSettings(accountId, changes) {
        const { shareRead, email } = { ...getSettings(accountId), ...changes };
        const query = tables.updateTable("accounts").set({ share_read: shareRead ? 1 : 0, email });
        database.run(query.where("id", "=", accountId));
        cache.evict(accountId);
        return { shareRead, email };
      },
    },
  } satisfies SomeVerbs & { readonly getSettings: unknown };
}

export function settingsOf(row: { readonly share_read: number; readonly email: string | null }): Settings {
  return { shareRead: row.share_read === 1, email: row.email };
}

export function noAccount(nameOrId: string | number): ChatError {
  return new ChatError("not_found", `Cannot find the account: ${nameOrId}`);
}
