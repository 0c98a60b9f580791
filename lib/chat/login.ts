/**
 * How somebody becomes signed in: register, log in with a password, come back with a token; and the change of a password.
 * @module
 */
import { ChatError } from "../errors.ts";
import type { Params, Result } from "../protocol/requests.ts";
import type { Services } from "./services.ts";
import type { Session } from "./session.ts";
import { hashToken, newToken } from "./token.ts";

/** Makes an account and signs in. Throws `forbidden` where registration does not allow it, `conflict` for a taken name. */
export async function register(
  session: Session,
  params: Params<"register">,
  services: Services,
): Promise<Result<"register">> {
  const { registration, throttles, passwords, store } = services;
  const joinCode = params.joinCode ?? null;
  if (registration === "closed") {
    throw new ChatError(
      "forbidden",
      "Cannot register: this server takes no new accounts; ask its operator for one",
    );
  }
  if (registration === "invite" && joinCode === null) {
    throw new ChatError(
      "forbidden",
      "Cannot register without an invite: ask somebody on this server for its invite link",
    );
  }
  await throttles.startRegistration(session.peer.remoteAddress);
  const passwordHash = await passwords.hash(params.password);
  const account = { name: params.name, passwordHash, joinCode: registration === "open" ? null : joinCode };
  const { accountId } = await store.createAccount(account);
  services.log.info("registered", { connection: session.peer.id, name: params.name });
  return await openSession(session, { accountId, name: params.name }, params, services);
}

/** Signs in with name and password. Throws `unauthenticated`, with the same words and work for an unknown name. */
export async function login(
  session: Session,
  params: Params<"login">,
  services: Services,
): Promise<Result<"login">> {
  const { throttles, store } = services;
  const succeeded = await throttles.startLogin(session.peer.remoteAddress, params.name);
  const account = await store.findCredentials(params.name);
  const check = await services.passwords.check(params.password, account?.passwordHash ?? null);
  if (!account || !check.isRight) {
    services.log.info("login refused", { connection: session.peer.id, address: session.peer.remoteAddress });
    throw new ChatError("unauthenticated", `Cannot log in as ${params.name}: wrong name or password`);
  }
  await succeeded();
  if (account.isDisabled) throw disabled(account.name);
  if (check.needsRehash) {
    await store.setPasswordHash(account.accountId, await services.passwords.hash(params.password));
  }
  return await openSession(session, account, params, services);
}

/** Signs in with the token of an earlier login. Throws `unauthenticated` when it no longer counts. */
export async function resume(
  session: Session,
  params: Params<"resume">,
  services: Services,
): Promise<Result<"resume">> {
  const found = await services.store.findDeviceSession(hashToken(params.token));
  if (!found) {
    throw new ChatError("unauthenticated", "Cannot resume: the session has ended; log in with your password");
  }
  if (found.isDisabled) throw disabled(found.name);
  const { accountId, name, deviceId, readSequence, settings } = found;
  session.signIn({ accountId, name, deviceId, readSequence }, params.token);
  return { name, token: params.token, deviceId, readSequence, ...settings };
}

/** Sets a new password, and ends every other session of the account. Throws `unauthenticated` for a wrong old one. */
export async function changePassword(
  session: Session,
  params: Params<"change_password">,
  services: Services,
): Promise<Result<"change_password">> {
  const { accountId, name, tokenHash } = session.identity;
  const { store, passwords, throttles, hub } = services;
  const succeeded = await throttles.startLogin(session.peer.remoteAddress, name);
  const account = await store.findCredentials(name);
  const { isRight } = await passwords.check(params.oldPassword, account?.passwordHash ?? null);
  if (!isRight) throw new ChatError("unauthenticated", "Cannot change the password: the old one is wrong");
  await succeeded();
  await store.setPasswordHash(accountId, await passwords.hash(params.newPassword));
  await store.endAllSessions(accountId, tokenHash);
  hub.endSessions(accountId, "password_changed", session);
  return {};
}

async function openSession(
  session: Session,
  account: { readonly accountId: number; readonly name: string },
  device: { readonly deviceId?: string | undefined; readonly deviceName?: string | undefined },
  { store }: Services,
): Promise<Result<"login">> {
  const { accountId, name } = account;
  const token = newToken();
  const { deviceId, readSequence } = await store.openDeviceSession({
    accountId,
    tokenHash: hashToken(token),
    deviceId: device.deviceId ?? null,
    deviceName: device.deviceName ?? "unnamed",
  });
  const settings = await store.getSettings(accountId);
  session.signIn({ accountId, name, deviceId, readSequence }, token);
  return { name, token, deviceId, readSequence, ...settings };
}

function disabled(name: string): ChatError {
  return new ChatError(
    "forbidden",
    `Cannot log in as ${name}: the account is disabled; ask the server's operator`,
  );
}
