// Devices and their logins: a device is a profile on a machine, and its cursors stay when it logs out.
import { ChatError } from "../../errors.ts";
import { type accountVerbs, noAccount, settingsOf } from "./accounts.ts";
import type { NewLogin, OpenedDevice } from "../../chat/store.ts";
import { DAY_MS, USE_PRECISION_MS } from "../limits.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

/** Devices an account may have; one more and the longest unused goes, if it is not connected. */
const MAX_DEVICES = 64;

export function deviceVerbs(context: VerbContext, accounts: ReturnType<typeof accountVerbs>) {
  const { dialect } = context;
  const { tables } = dialect;

  // When a device was last used is no matter here: pruning takes away those that lie unused, and it does not believe every clock.
  const session = query((p: { tokenHash: string }) =>
    tables.selectFrom("devices").innerJoin("accounts", "accounts.id", "devices.account_id")
      .select(["accounts.id as accountId", "accounts.name", "share_read", "email", "devices.id as deviceId"])
      .select(["read_sequence as readSequence", "delivered_sequence as deliveredSequence", "last_used_at"])
      .where("token_hash", "=", p.tokenHash).where("removed_at", "is", null).where("is_disabled", "=", 0)
  );
  const live = query((p: { tokenHashes: string }) =>
    tables.selectFrom("devices").innerJoin("accounts", "accounts.id", "devices.account_id")
      .select("token_hash as tokenHash")
      .where("token_hash", "in", dialect.listed<string>(p.tokenHashes, "text"))
      .where("removed_at", "is", null).where("is_disabled", "=", 0)
  );
  // Held until the transaction ends: a password, and the number of devices, stay what they were found to be.
  const lock = query((p: { accountId: number }) =>
    dialect.forUpdate(
      tables.selectFrom("accounts").select(["name", "password_hash", "is_disabled"])
        .where("id", "=", p.accountId).where("removed_at", "is", null),
    )
  );
  const note = query((p: { deviceId: string; accountId: number; now: number; before: number }) =>
    tables.updateTable("devices").set("last_used_at", p.now)
      .where("id", "=", p.deviceId).where("account_id", "=", p.accountId).where("last_used_at", "<", p.before)
  );
  // Locked in the order of ids, as by a batch of acknowledgements.
  const noteAll = query((p: { deviceIds: string; now: number; before: number }) =>
    tables.updateTable("devices").set("last_used_at", p.now).where(
      "id",
      "in",
      dialect.forUpdate(
        tables.selectFrom("devices").select("id")
          .where("id", "in", dialect.listed<string>(p.deviceIds, "text")).where("last_used_at", "<", p.before)
          .orderBy("id"),
      ),
    )
  );
  const savePassword = query((p: { accountId: number; passwordHash: string }) =>
    tables.updateTable("accounts").set("password_hash", p.passwordHash).where("id", "=", p.accountId)
  );
  const endAll = query((p: { accountId: number }) =>
    tables.updateTable("devices").set("token_hash", null)
      .where("account_id", "=", p.accountId).where("token_hash", "is not", null)
  );
  const endOthers = query((p: { accountId: number; exceptTokenHash: string }) =>
    tables.updateTable("devices").set("token_hash", null).where("account_id", "=", p.accountId)
      .where("token_hash", "is not", null).where("token_hash", "!=", p.exceptTokenHash)
  );
  const endOne = query((p: { tokenHash: string }) =>
    tables.updateTable("devices").set("token_hash", null).where("token_hash", "=", p.tokenHash)
      .returning("account_id as accountId")
  );
  const known = query((p: { deviceId: string; accountId: number }) =>
    tables.selectFrom("devices").select("read_sequence as readSequence")
      .where("id", "=", p.deviceId).where("account_id", "=", p.accountId)
  );
  const renew = query((p: { deviceId: string; name: string; tokenHash: string; now: number }) =>
    tables.updateTable("devices").set({ name: p.name, token_hash: p.tokenHash, last_used_at: p.now })
      .where("id", "=", p.deviceId)
  );
  const readTo = query((p: { accountId: number }) =>
    tables.selectFrom("mailboxes").select("read_sequence as readSequence")
      .where("account_id", "=", p.accountId)
  );
  const insert = query((
    p: {
      deviceId: string;
      accountId: number;
      name: string;
      tokenHash: string;
      now: number;
      readSequence: number;
    },
  ) =>
    tables.insertInto("devices").values({
      id: p.deviceId,
      account_id: p.accountId,
      name: p.name,
      token_hash: p.tokenHash,
      created_at: p.now,
      last_used_at: p.now,
      delivered_sequence: p.readSequence,
      read_sequence: p.readSequence,
    })
  );
  const ofAccount = query((p: { accountId: number }) =>
    tables.selectFrom("devices").select("id").where("account_id", "=", p.accountId)
      .orderBy("last_used_at").orderBy("id")
  );
  const remove = query((p: { deviceId: string }) =>
    tables.deleteFrom("devices").where("id", "=", p.deviceId)
  );

  function* open(
    accountId: number,
    { tokenHash, deviceName: name }: NewLogin,
    deviceId: string | null,
    connectedDeviceIds: readonly string[],
  ): Steps<OpenedDevice> {
    const settings = yield* accounts.getSettings(accountId);
    const { now } = context;
    const device = deviceId === null ? undefined : yield* known.first({ deviceId, accountId });
    if (deviceId !== null && device !== undefined) {
      yield* renew.run({ deviceId, name, tokenHash, now });
      return { deviceId, readSequence: device.readSequence, settings };
    }
    yield* pushOut(accountId, connectedDeviceIds);
    const readSequence = (yield* readTo.first({ accountId }))?.readSequence ?? 0;
    const newId = crypto.randomUUID();
    yield* insert.run({ deviceId: newId, accountId, name, tokenHash, now, readSequence });
    return { deviceId: newId, readSequence, settings };
  }

  function* pushOut(accountId: number, connectedDeviceIds: readonly string[]): Steps<void> {
    const devices = yield* ofAccount.all({ accountId });
    const tooMany = Math.max(0, devices.length + 1 - MAX_DEVICES);
    const unwanted = devices.filter(({ id }) => !connectedDeviceIds.includes(id)).slice(0, tooMany);
    for (const { id } of unwanted) yield* remove.run({ deviceId: id });
    if (unwanted.length > 0) context.forget();
  }

  return {
    reads: {
      *listEndedLogins(tokenHashes) {
        const rows = yield* live.all({ tokenHashes: JSON.stringify(tokenHashes) });
        const found = new Set(rows.map((row) => row.tokenHash));
        return tokenHashes.filter((tokenHash) => !found.has(tokenHash));
      },
    },
    writes: {
      *registerAccount({ tokenHash, deviceName, ...account }) {
        const { accountId } = yield* accounts.writes.createAccount(account);
        return { accountId, ...(yield* open(accountId, { tokenHash, deviceName }, null, [])) };
      },

      *changePassword(accountId, { passwordHash, formerHash, exceptTokenHash }) {
        const account = yield* lock.first({ accountId });
        if (account === undefined) throw noAccount(accountId);
        if (formerHash !== null && account.password_hash !== formerHash) {
          throw new ChatError(
            "unauthenticated",
            "Cannot change the password: it has just been changed by somebody else",
          );
        }
        yield* savePassword.run({ accountId, passwordHash });
        if (exceptTokenHash === null) yield* endAll.run({ accountId });
        else yield* endOthers.run({ accountId, exceptTokenHash });
        yield* dialect.announce({ type: "logins_ended", accountId, reason: "password_changed" });
      },

      *openLogin({ accountId, passwordHash, newPasswordHash, deviceId, connectedDeviceIds, ...login }) {
        const account = yield* lock.first({ accountId });
        if (account === undefined || account.password_hash !== passwordHash) {
          throw new ChatError(
            "unauthenticated",
            "Cannot log in: the account or its password has just been changed; try again",
          );
        }
        if (account.is_disabled === 1) {
          throw new ChatError(
            "forbidden",
            `Cannot log in as ${account.name}: the account is disabled; ask the server's operator`,
          );
        }
        if (newPasswordHash !== null) yield* savePassword.run({ accountId, passwordHash: newPasswordHash });
        return yield* open(accountId, login, deviceId, connectedDeviceIds);
      },

      *findLogin(tokenHash) {
        const found = yield* session.first({ tokenHash });
        if (found === undefined) return null;
        const { share_read, email, last_used_at, ...login } = found;
        const { now } = context;
        const before = now - USE_PRECISION_MS;
        if (last_used_at < before) yield* note.run({ ...login, now, before });
        return { ...login, settings: settingsOf({ share_read, email }) };
      },

      *noteDevicesUsed(deviceIds) {
        const { now } = context;
        yield* noteAll.run({ deviceIds: JSON.stringify(deviceIds), now, before: now - DAY_MS });
      },

      *closeLogin(tokenHash) {
        const device = yield* endOne.first({ tokenHash });
        if (device !== undefined) {
          yield* dialect.announce({ type: "logins_ended", accountId: device.accountId, reason: "revoked" });
        }
      },
    },
  } satisfies VerbSteps;
}
