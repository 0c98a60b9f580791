// How somebody becomes signed in: register, log in with a password, come back with a token; the change of a password, and the end of an account.
import { createHash, randomBytes } from "node:crypto";
import { ChatError } from "../errors.ts";
import type { Result } from "../protocol/requests.ts";
import type { PasswordTaker } from "./passwords.ts";
import type { Handlers, Session } from "./session.ts";
import type { AccountName, Credentials, NewLogin, OpenedDevice } from "./store.ts";

const TOKEN_BYTES = 32; // 256 random bits

export const LOGIN_HANDLERS: Pick<
  Handlers,
  "register" | "login" | "resume" | "change_password" | "delete_account"
> = {
  async register(session, params) {
    const { registration, throttles, passwords, store, rules, log } = session.services;
    const joinCode = params.joinCode ?? null;
    if (registration === "closed") {
      const words = "Cannot register: this server takes no new accounts; ask its operator for one";
      throw new ChatError("forbidden", words);
    }
    if (registration === "invite" && joinCode === null) {
      const words = "Cannot register without an invite: ask somebody on this server for its invite link";
      throw new ChatError("forbidden", words);
    }
    rules.checkRegistration();
    await throttles.startRegistration(session);
    const { token, opening } = newLogin(params.deviceName);
    const { accountId, ...opened } = await store.registerAccount({
      name: params.name,
      passwordHash: await passwords.hash(params.password, session),
      joinCode: registration === "open" ? null : joinCode,
      ...opening,
    });
    log.info("registered", { connection: session.peer.id, name: params.name });
    return signIn(session, { accountId, name: params.name, ...opened }, token);
  },

  /** Says the same, after the same work, to a wrong password and to an unknown name. */
  async login(session, params) {
    const { passwords, store, hub, rules, log } = session.services;
    const deviceId = params.deviceId ?? null;
    const account = await checkPassword(session, params.name, { password: params.password, deviceId });
    if (!account) {
      const { id, connection } = session.peer;
      session.services.tally.refusedLogins += 1;
      log.info("login refused", { connection: id, address: connection.remoteAddress });
      throw new ChatError("unauthenticated", `Cannot log in as ${params.name}: wrong name or password`);
    }
    const { accountId, name, passwordHash, needsRehash } = account;
    // Whoever knows the password may know it; the login of this device stays as it is.
    rules.check({ name, address: session.remoteAddress });
    const newPasswordHash = needsRehash ? await passwords.hash(params.password, account.taker) : null;
    const { token, opening } = newLogin(params.deviceName);
    const connectedDeviceIds = await hub.connectedDevices(accountId);
    // Signed in within the turn in which the store answers: the store answers in the order of what it did, so whoever ends
    // sessions after this one was opened finds it.
    const opened = await store.openLogin({
      accountId,
      passwordHash,
      newPasswordHash,
      deviceId,
      connectedDeviceIds,
      ...opening,
    });
    const { tokenHash } = opening;
    // Before signing in, which fails if this connection has ended meanwhile: the former token has ended in any case.
    if (opened.deviceId === deviceId) hub.renewToken({ accountId, deviceId, tokenHash });
    return signIn(session, { accountId, name, ...opened }, token);
  },

  async resume(session, params) {
    const found = await session.services.store.findLogin(hashToken(params.token));
    if (!found) {
      throw new ChatError(
        "unauthenticated",
        "Cannot resume: this login has ended; log in with your password",
      );
    }
    return signIn(session, found, params.token);
  },

  async change_password(session, params) {
    const { accountId, name, deviceId } = session.identity;
    const { store, passwords, hub } = session.services;
    const account = await checkPassword(session, name, { password: params.oldPassword, deviceId });
    if (!account) throw new ChatError("unauthenticated", "Cannot change the password: the old one is wrong");
    await store.changePassword(accountId, {
      passwordHash: await passwords.hash(params.newPassword, account.taker),
      formerHash: account.passwordHash,
      exceptTokenHash: session.identity.tokenHash,
    });
    hub.endSessions(accountId, "password_changed", session);
    return {};
  },

  async delete_account(session, { password }) {
    const { accountId, name, deviceId } = session.identity;
    const { store, hub, log, directChats } = session.services;
    const account = await checkPassword(session, name, { password, deviceId });
    if (!account) throw new ChatError("unauthenticated", "Cannot delete the account: the password is wrong");
    await store.deleteAccount(accountId, account.passwordHash);
    hub.endSessions(accountId, "revoked", session);
    session.isOut = true;
    // What fails here ends when its host has been away for long enough.
    await directChats.forsake({ accountId, name })
      .catch((error) => log.warn("direct chats of a deleted account not ended", { error }));
    session.closeSoon("the account was deleted");
    log.info("account deleted", { connection: session.peer.id, name });
    return {};
  },
};

/** Checks a password, as often as the throttles allow. Null when it is wrong, or there is no such account. */
async function checkPassword(
  session: Session,
  name: string,
  { password, deviceId }: { readonly password: string; readonly deviceId: string | null },
): Promise<Credentials & { readonly needsRehash: boolean; readonly taker: PasswordTaker } | null> {
  const { throttles, passwords, store } = session.services;
  const account = await session.atDesk(() => store.findCredentials(name, deviceId));
  const knownDeviceId = account?.isKnownDevice ? deviceId : null;
  const login = { name, knownDeviceId };
  return await throttles.oneByOne(session, login, async () => {
    const succeeded = await throttles.startLogin(session, login);
    const taker = knownDeviceId === null ? session : returning(session, name);
    const { isRight, needsRehash } = await passwords.check(password, account?.passwordHash ?? null, taker);
    if (!account || !isRight) return null;
    await succeeded();
    return { ...account, needsRehash, taker };
  });
}

function returning(session: Session, name: string): PasswordTaker {
  const { addressGroup } = session;
  return {
    addressGroup,
    get hasEnded() {
      return session.hasEnded;
    },
    returningTo: name,
  };
}

export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/** SHA-256 of a token, in hex: what the store keeps. A token is random enough to need no salt. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function newLogin(deviceName = "unnamed"): { token: string; opening: NewLogin } {
  const token = newToken();
  return { token, opening: { tokenHash: hashToken(token), deviceName } };
}

/** Makes the session that of an account whose login is open in the store. */
function signIn(
  session: Session,
  { accountId, name, deviceId, readSequence, settings }: AccountName & OpenedDevice,
  token: string,
): Result<"login"> {
  // In one turn with signing in: a ban that comes later finds the session.
  session.services.rules.check({ name, address: session.remoteAddress });
  session.signIn({ accountId, name, deviceId, tokenHash: hashToken(token) });
  session.services.throttles.signedIn(session, name);
  session.services.tally.logins += 1;
  return { name, token, deviceId, readSequence, ...settings };
}
