// Devices and their logins: a device is a profile on a machine, and its cursors stay when it logs out.
import { ChatError } from "../../../errors.ts";
import { type accountVerbs, noAccount, settingsOf } from "./accounts.ts";
import type { NewLogin, OpenedDevice } from "../../../chat/store.ts";
import { DAY_MS, DEVICE_IDLE_MS } from "../../limits.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";

/** Devices an account may have; one more and the longest unused goes, if it is not connected. */
const MAX_DEVICES = 64;

/** How exactly the last use is noted: a write for each reconnect would cost an fsync and tell nobody anything. */
export const USE_PRECISION_MS = 60 * 60 * 1000;

export function deviceVerbs(context: ServerContext, accounts: ReturnType<typeof accountVerbs>) {
  const { database, cache } = context;
  const { tables } = database;

  const session = database.prepare((p: { tokenHash: string; usedSince: number }) =>
    tables.selectFrom("devices").innerJoin("accounts", "accounts.id", "devices.account_id")
      .select(["accounts.id as accountId", "accounts.name", "share_read", "email", "devices.id as deviceId"])
      .select(["read_sequence as readSequence", "delivered_sequence as deliveredSequence"])
      .where("token_hash", "=", p.tokenHash).where("last_used_at", ">=", p.usedSince)
      .where("removed_at", "is", null).where("is_disabled", "=", 0)
  );
  const lock = database.prepare((p: { accountId: number }) =>
    tables.selectFrom("accounts").select(["name", "password_hash", "is_disabled"])
      .where("id", "=", p.accountId).where("removed_at", "is", null)
  );

  function findLive(tokenHash: string) {
    return session.get({ tokenHash, usedSince: context.now - DEVICE_IDLE_MS });
  }

  /** Writes the time of use when the one on disk is older than that. */
  function noteUse(deviceId: string, accountId: number, precisionMs: number): void {
    const device = cache.findDevice(deviceId, accountId);
    if (device === null || device.lastUsedAt >= context.now - precisionMs) return;
    device.lastUsedAt = context.now;
    cache.markDeviceChanged(device);
  }

  function setPasswordHash(accountId: number, passwordHash: string): void {
    database.run(
      tables.updateTable("accounts").set("password_hash", passwordHash).where("id", "=", accountId),
    );
  }

  function open(
    accountId: number,
    { tokenHash, deviceName }: NewLogin,
    deviceId: string | null,
    connectedDeviceIds: readonly string[],
  ): OpenedDevice {
    const settings = accounts.getSettings(accountId);
    cache.flush();
    const login = { name: deviceName, token_hash: tokenHash, last_used_at: context.now };
    const known = deviceId === null ? null : cache.findDevice(deviceId, accountId);
    if (known !== null) {
      database.run(tables.updateTable("devices").set(login).where("id", "=", known.deviceId));
      known.lastUsedAt = context.now;
      return { deviceId: known.deviceId, readSequence: known.readSequence, settings };
    }
    pushOut(accountId, connectedDeviceIds);
    const { readSequence } = cache.find(accountId)!;
    const newId = crypto.randomUUID();
    database.run(
      tables.insertInto("devices").values({
        ...login,
        id: newId,
        account_id: accountId,
        created_at: context.now,
        delivered_sequence: readSequence,
        read_sequence: readSequence,
      }),
    );
    return { deviceId: newId, readSequence, settings };
  }

  function pushOut(accountId: number, connectedDeviceIds: readonly string[]): void {
    const devices = database.all(
      tables.selectFrom("devices").select("id").where("account_id", "=", accountId).orderBy("last_used_at"),
    );
    const tooMany = Math.max(0, devices.length + 1 - MAX_DEVICES);
    const unwanted = devices.filter(({ id }) => !connectedDeviceIds.includes(id)).slice(0, tooMany);
    for (const { id } of unwanted) database.run(tables.deleteFrom("devices").where("id", "=", id));
    if (unwanted.length > 0) cache.forget();
  }

  return {
    reads: {
      listEndedLogins(tokenHashes) {
        return tokenHashes.filter((tokenHash) => findLive(tokenHash) === undefined);
      },
    },
    writes: {
      registerAccount({ tokenHash, deviceName, ...account }) {
        const { accountId } = accounts.writes.createAccount(account);
        return { accountId, ...open(accountId, { tokenHash, deviceName }, null, []) };
      },

      changePassword(accountId, { passwordHash, formerHash, exceptTokenHash }) {
        const account = lock.get({ accountId });
        if (account === undefined) throw noAccount(accountId);
        if (formerHash !== null && account.password_hash !== formerHash) {
          throw new ChatError(
            "unauthenticated",
            "Cannot change the password: it has just been changed by somebody else",
          );
        }
        setPasswordHash(accountId, passwordHash);
        const sessions = tables.updateTable("devices").set("token_hash", null)
          .where("account_id", "=", accountId).where("token_hash", "is not", null);
        database.run(
          exceptTokenHash === null ? sessions : sessions.where("token_hash", "!=", exceptTokenHash),
        );
      },

      openLogin(
        { accountId, passwordHash, newPasswordHash, deviceId, connectedDeviceIds, ...session },
      ) {
        const account = lock.get({ accountId });
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
        if (newPasswordHash !== null) setPasswordHash(accountId, newPasswordHash);
        return open(accountId, session, deviceId, connectedDeviceIds);
      },

      findLogin(tokenHash) {
        cache.flush();
        const found = findLive(tokenHash);
        if (found === undefined) return null;
        const { share_read, email, ...login } = found;
        noteUse(login.deviceId, login.accountId, USE_PRECISION_MS);
        return { ...login, settings: settingsOf({ share_read, email }) };
      },

      noteDevicesUsed(devices) {
        for (const { deviceId, accountId } of devices) noteUse(deviceId, accountId, DAY_MS);
      },

      closeLogin(tokenHash) {
        database.run(
          tables.updateTable("devices").set("token_hash", null).where("token_hash", "=", tokenHash),
        );
      },
    },
  } satisfies SomeVerbs;
}
