/**
 * Devices and their sessions: signed in, found again by token, signed out.
 *
 * A device is a profile on a machine; it has cursors of its own, which stay when it signs out. A session is the token
 * that lets it in.
 * @module
 */
import { noAccount } from "./account_verbs.ts";
import { DAY_MS, type ServerContext, type Synchronous } from "./server_context.ts";
import { type AccountStore, DEVICE_IDLE_DAYS } from "./server_store.ts";

/** Devices an account may have; one more and the longest unused goes, so that logging in over and over fills nothing. */
const MAX_DEVICES = 64;

/** How exactly the last use is noted: a write for each reconnect would cost an fsync and tell nobody anything. */
export const USE_PRECISION_MS = 60 * 60 * 1000;

/** The verbs of this module. */
export type DeviceVerbs = Synchronous<
  Pick<
    AccountStore,
    "openDeviceSession" | "findDeviceSession" | "listEndedSessions" | "closeDeviceSession" | "endAllSessions"
  >
>;

/**
 * The verbs about devices, over one open store.
 *
 * @param context The store; see {@linkcode ServerContext}.
 */
export function deviceVerbs(context: ServerContext): DeviceVerbs {
  const { database, cache } = context;
  const { tables } = database;

  const session = database.prepare((p: { tokenHash: string }) =>
    tables.selectFrom("devices").innerJoin("accounts", "accounts.id", "devices.account_id")
      .select(["accounts.id as account_id", "accounts.name", "is_disabled", "share_read", "email"])
      .select(["devices.id as device_id", "read_sequence", "delivered_sequence", "last_used_at"])
      .where("token_hash", "=", p.tokenHash).where("removed_at", "is", null)
  );

  function findLive(tokenHash: string) {
    const row = session.get({ tokenHash });
    if (row === undefined) return null;
    return row.last_used_at < context.now - DEVICE_IDLE_DAYS * DAY_MS ? null : row;
  }

  function makeDevice(accountId: number, tokenHash: string, name: string, readSequence: number): string {
    const devices = database.all(
      tables.selectFrom("devices").select("id").where("account_id", "=", accountId).orderBy(
        "last_used_at",
        "desc",
      ),
    );
    const unwanted = devices.slice(MAX_DEVICES - 1);
    for (const { id } of unwanted) database.run(tables.deleteFrom("devices").where("id", "=", id));
    if (unwanted.length > 0) cache.forget();
    const id = crypto.randomUUID();
    database.run(
      tables.insertInto("devices").values({
        id,
        account_id: accountId,
        name,
        token_hash: tokenHash,
        created_at: context.now,
        last_used_at: context.now,
        delivered_sequence: readSequence,
        read_sequence: readSequence,
      }),
    );
    return id;
  }

  return {
    openDeviceSession({ accountId, tokenHash, deviceId, deviceName }) {
      const mailbox = cache.find(accountId);
      if (mailbox === null || mailbox.isRemoved) throw noAccount(accountId);
      cache.flush();
      const known = deviceId === null ? null : cache.findDevice(deviceId, accountId);
      const readSequence = known?.readSequence ?? mailbox.readSequence;
      const id = known?.deviceId ?? makeDevice(accountId, tokenHash, deviceName, readSequence);
      if (known !== null) {
        database.run(
          tables.updateTable("devices")
            .set({ token_hash: tokenHash, name: deviceName, last_used_at: context.now })
            .where("id", "=", id),
        );
        known.lastUsedAt = context.now;
      }
      return { deviceId: id, readSequence };
    },

    findDeviceSession(tokenHash) {
      cache.flush();
      const row = findLive(tokenHash);
      if (row === null) return null;
      if (row.last_used_at < context.now - USE_PRECISION_MS) {
        const device = cache.findDevice(row.device_id, row.account_id)!;
        device.lastUsedAt = context.now;
        cache.markDeviceChanged(device);
      }
      return {
        accountId: row.account_id,
        name: row.name,
        deviceId: row.device_id,
        readSequence: row.read_sequence,
        deliveredSequence: row.delivered_sequence,
        isDisabled: row.is_disabled === 1,
        settings: { shareRead: row.share_read === 1, email: row.email },
      };
    },

    listEndedSessions(tokenHashes) {
      return tokenHashes.filter((tokenHash) => {
        const row = findLive(tokenHash);
        return row === null || row.is_disabled === 1;
      });
    },

    closeDeviceSession(tokenHash) {
      database.run(tables.updateTable("devices").set("token_hash", null).where("token_hash", "=", tokenHash));
    },

    endAllSessions(accountId, exceptTokenHash) {
      const query = tables.updateTable("devices").set("token_hash", null)
        .where("account_id", "=", accountId).where("token_hash", "is not", null);
      database.run(exceptTokenHash === null ? query : query.where("token_hash", "!=", exceptTokenHash));
    },
  };
}
