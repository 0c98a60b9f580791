import { ChatError } from "../../errors.ts";
import type { Settings } from "../../chat/store.ts";
import { whyClosed } from "./invites.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

export function accountVerbs(context: VerbContext) {
  const { tables, forUpdate } = context.dialect;

  const credentials = query((p: { name: string }) =>
    tables.selectFrom("accounts").select(["id as accountId", "name", "password_hash as passwordHash"])
      .where("name", "=", p.name).where("removed_at", "is", null)
  );
  const device = query((p: { deviceId: string; accountId: number }) =>
    tables.selectFrom("devices").select("id").where("id", "=", p.deviceId)
      .where("account_id", "=", p.accountId)
  );
  const settings = query((p: { accountId: number }) =>
    tables.selectFrom("accounts").select(["share_read", "email"])
      .where("id", "=", p.accountId).where("removed_at", "is", null)
  );
  const seen = query((p: { accountId: number; at: number }) =>
    tables.updateTable("accounts").set({ last_seen_at: p.at }).where("id", "=", p.accountId)
      .where("removed_at", "is", null)
      .where((where) => where.or([where("last_seen_at", "is", null), where("last_seen_at", "<", p.at)]))
  );
  // Removed accounts count: their names stay taken.
  const nameTaken = query((p: { name: string }) =>
    tables.selectFrom("accounts").select("id").where("name", "=", p.name)
  );
  const insert = query((p: { name: string; passwordHash: string; now: number }) =>
    tables.insertInto("accounts").values({ name: p.name, password_hash: p.passwordHash, created_at: p.now })
      .onConflict((conflict) => conflict.doNothing()).returning("id")
  );
  const insertMailbox = query((p: { accountId: number }) =>
    tables.insertInto("mailboxes").values({ account_id: p.accountId })
  );
  const lockInvite = query((p: { code: string }) =>
    forUpdate(tables.selectFrom("invites").selectAll().where("code", "=", p.code))
  );
  const useInvite = query((p: { code: string; uses: number }) =>
    tables.updateTable("invites").set("uses", p.uses).where("code", "=", p.code)
  );
  const saveSettings = query((p: { accountId: number; shareRead: number; email: string | null }) =>
    tables.updateTable("accounts").set({ share_read: p.shareRead, email: p.email }).where(
      "id",
      "=",
      p.accountId,
    )
  );

  /** Uses so far of an invite that lets somebody register now; nobody else can use it until the transaction ends. */
  function* usesOfOpenInvite(code: string): Steps<number> {
    const invite = yield* lockInvite.first({ code });
    const reason = whyClosed(invite, context.now);
    if (reason === null) return invite!.uses;
    throw new ChatError("forbidden", `Cannot register with this invite: ${reason}; ask for a new one`);
  }

  function* getSettings(accountId: number): Steps<Settings> {
    const row = yield* settings.first({ accountId });
    if (row === undefined) throw noAccount(accountId);
    return settingsOf(row);
  }

  return {
    getSettings,
    reads: {
      *findCredentials(name, deviceId) {
        const account = yield* credentials.first({ name });
        if (account === undefined) return null;
        const { accountId } = account;
        const isKnownDevice = deviceId !== null &&
          (yield* device.first({ deviceId, accountId })) !== undefined;
        return { ...account, isKnownDevice };
      },
    },
    writes: {
      *createAccount({ name, passwordHash, joinCode }) {
        // Before the name: whoever has no invite learns nothing of who is here.
        const uses = joinCode === null ? 0 : yield* usesOfOpenInvite(joinCode);
        if ((yield* nameTaken.first({ name })) !== undefined) throw taken(name);
        // Nothing has been written yet: who loses a race for the name has used up no invite.
        const account = yield* insert.first({ name, passwordHash, now: context.now });
        if (account === undefined) throw taken(name);
        if (joinCode !== null) yield* useInvite.run({ code: joinCode, uses: uses + 1 });
        yield* insertMailbox.run({ accountId: account.id });
        return { accountId: account.id };
      },

      *markSeen(accountId, at) {
        yield* seen.run({ accountId, at });
      },

      *updateSettings(accountId, changes) {
        const { shareRead, email } = { ...(yield* getSettings(accountId)), ...changes };
        yield* saveSettings.run({ accountId, shareRead: shareRead ? 1 : 0, email });
        context.forget(accountId);
        return { shareRead, email };
      },
    },
  } satisfies VerbSteps & { readonly getSettings: unknown };
}

export function settingsOf(row: { readonly share_read: number; readonly email: string | null }): Settings {
  return { shareRead: row.share_read === 1, email: row.email };
}

export function noAccount(nameOrId: string | number): ChatError {
  return new ChatError("not_found", `Cannot find the account: ${nameOrId}`);
}

function taken(name: string): ChatError {
  return new ChatError("conflict", `Cannot register as the name is taken: ${name}; choose another`);
}
