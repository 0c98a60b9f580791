// The work of the client's subcommands, loaded only when one of them runs: flags and help do without.
import { ChatError, ConnectionError, NotSignedInError, UsageError } from "../errors.ts";
import { formatHostAndPort } from "../addresses.ts";
import { parseInviteLink } from "../protocol/invite_link.ts";
import type { KnownServer, SavedLogin } from "../profile/profile.ts";
import { jsonLine, oneLine, safeText } from "../terminal/safe_text.ts";
import { Account } from "./account.ts";
import type { App } from "./app.ts";
import { newsOf, signInAs, visit } from "./chat/connect.ts";
import { printCopy, printHistory, type RangeFlags } from "./chat/history.ts";
import { trustServer } from "./chat/trust.ts";
import { tellBeside } from "./outage.ts";

export { blockOnce, changePasswordOnce, settingsOnce, unblockOnce } from "./chat/account.ts";
export { followInbox, printInbox } from "./chat/inbox.ts";
export { runDoctor } from "./doctor/once.ts";
export { notifyOnce } from "./notify/once.ts";
export { exportAccount } from "./chat/export.ts";
export { deleteAccount } from "./chat/leaving.ts";
export { reportOnce } from "./chat/report.ts";
export { sendOnce } from "./chat/send.ts";
export { listUsers } from "./chat/users.ts";

export interface ScriptOptions {
  readonly json: boolean; // one JSON object per line in place of text
  /** Server to use, when there are several; the last one by default. */
  readonly server?: string;
  /** Account to use, when there are several; the last one by default. */
  readonly user?: string;
}

/** How long a subcommand tries again to reach a server that cannot be reached, in milliseconds. */
const REACH_WITHIN_MS = 15_000;
/**
 * How much longer its first attempt may take, which gives up by itself, and signing in on a server that it has reached: where each
 * answer takes 4 s, that is done after 16 s.
 */
const MORE_MS = 30_000;

/**
 * Connects as the account that signed in before. With `tellsNews` what happens meanwhile is told on the screen; where the output
 * goes to a program, of breaks of the connection alone, and beside it. Throws `NotSignedInError` for none.
 */
export async function openAccount(
  app: App,
  options: Pick<ScriptOptions, "server" | "user">,
  tellsNews = false,
): Promise<void> {
  const { server, login } = findLogin(app, options);
  const news = tellsNews && app.terminal.isInteractive ? newsOf(app) : null;
  const account = new Account({ profile: app.profile, server, name: login.name, news });
  const what = `Connecting to ${safeText(server.host)}`;
  const outcome = await app.waitFor(
    what,
    (signal) => account.firstOutcome(REACH_WITHIN_MS, signal, MORE_MS),
  );
  if (outcome.kind === "online") {
    app.enter(account);
    if (news === null) tellRefused(app, account);
    if (news === null && tellsNews) account.tellOutagesTo(tellBeside((line) => app.warn(line)));
    return;
  }
  await account[Symbol.asyncDispose]();
  if (outcome.kind === "waiting") throw new ConnectionError(outcome.reason);
  if (outcome.error instanceof ChatError && outcome.error.code === "unauthenticated") {
    throw new NotSignedInError(
      `${outcome.error.message}: run mini-chat-client login ${
        formatHostAndPort(server.host, server.port)
      } ${login.name}`,
    );
  }
  throw outcome.error;
}

/** Tells of messages that were refused after the program that wrote them had ended: nobody else would, where only scripts run. */
function tellRefused(app: App, { records }: Account): void {
  for (const { id, to, text, reason } of records.listRefused()) {
    app.warn(`Not sent to ${safeText(to)}: ${safeText(reason)}. It began: ${oneLine(text, 40)}`);
    records.dismissRefused(id);
  }
}

/**
 * The subcommand `history`, from the copy on this disk where that is wanted, or where there is no connection.
 * @throws {ConnectionError} behind the copy, since it may not be complete.
 */
export async function showHistory(
  app: App,
  name: string,
  options: ScriptOptions & RangeFlags & { readonly offline: boolean },
): Promise<void> {
  const showCopy = () =>
    printCopy(app, app.profile.recordsOf(findLogin(app, options).login).copy, name, options);
  if (options.offline) return await showCopy();
  try {
    await openAccount(app, options);
  } catch (error) {
    if (error instanceof ConnectionError) await showCopy();
    throw error;
  }
  await printHistory(app, name, options);
}

/** The account that signed in here before; the last one used, unless a server or a name is given. Throws `NotSignedInError` for none. */
export function findLogin(
  app: App,
  options: Pick<ScriptOptions, "server" | "user">,
): { readonly server: KnownServer; readonly login: SavedLogin } {
  const wanted = options.server === undefined ? null : parseInviteLink(options.server);
  for (const server of app.profile.listServers()) {
    if (wanted && (wanted.host !== server.host || wanted.port !== server.port)) continue;
    for (const login of app.profile.listLogins(server.serverId)) {
      if (login.token !== null && (options.user === undefined || options.user === login.name)) {
        return { server, login };
      }
    }
  }
  const who = options.user === undefined ? "Nobody is" : `${options.user} is not`;
  const where = wanted === null ? "" : ` at ${formatHostAndPort(wanted.host, wanted.port)}`;
  throw new NotSignedInError(
    `${who} signed in${where} on this device: run mini-chat-client register LINK NAME, or login SERVER NAME`,
  );
}

/** The subcommand `logout`; where the server has ended the login already, what is kept of it here is removed. */
export async function logOutOnce(app: App, options: ScriptOptions): Promise<void> {
  const { login } = findLogin(app, options);
  try {
    await openAccount(app, options);
  } catch (error) {
    if (error instanceof NotSignedInError) return app.forgetLogin(login);
    throw error;
  }
  await app.logOut();
}

/** Signs in on this device, and stays so; `where` is an address or an invite link. Throws `UsageError` without trust or password. */
export async function signIn(
  app: App,
  where: string,
  name: string,
  isNew: boolean,
  options: ScriptOptions,
): Promise<void> {
  const link = parseInviteLink(where);
  const server = await trustServer(app, link);
  if (!server) throw new UsageError(`Stopped: ${link.host} is not trusted`);
  const password = isNew ? await app.askNewPassword("Password: ") : await app.askPassword("Password: ");
  if (!password) throw new UsageError("Cannot sign in without a password");
  await using guest = await visit(app, server);
  await signInAs(app, guest, { name, password }, isNew ? { joinCode: link.joinCode } : null);
  if (!options.json) return;
  await openAccount(app, { server: formatHostAndPort(server.host, server.port), user: name });
  await printWho(app, options);
}

export async function printWho(app: App, options: ScriptOptions): Promise<void> {
  const account = app.account!;
  const { shareRead, email } = await app.client().call("update_settings", {});
  const { host, port } = account.server;
  const who = {
    name: account.name,
    server: formatHostAndPort(host, port),
    readReceipts: shareRead,
    email,
  };
  await app.terminal.print(options.json ? jsonLine(who) : `${who.name} at ${who.server}`);
}
