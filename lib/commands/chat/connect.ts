// Option 0: connect to the server, and log in; on the first visit, decide about trust and register. Option 7: disconnect.
import { OPTIONS } from "../options.ts";
import { ChatError, messageOf, UsageError } from "../../errors.ts";
import { nameField } from "../../protocol/fields.ts";
import { formatHostAndPort } from "../../addresses.ts";
import { holdsInviteLink, type InviteLink, parseInviteLink } from "../../protocol/invite_link.ts";
import { DEFAULT_PORT } from "../../protocol/limits.ts";
import { checked } from "../../protocol/requests.ts";
import type { KnownServer, SavedLogin } from "../../profile/profile.ts";
import type { MenuCommand } from "../../terminal/menu.ts";
import { oneLine, safeText } from "../../terminal/safe_text.ts";
import { green, yellow } from "../../terminal/style.ts";
import { Account } from "../account.ts";
import type { App } from "../app.ts";
import { count } from "../../count.ts";
import { type Credentials, Guest, type Registration } from "../guest.ts";
import { announceInvitations } from "../direct/invitations.ts";
import { News } from "./news.ts";
import { isServerName } from "./servers.ts";
import { trustServer } from "./trust.ts";

/** How long option 0 waits for the first connection before it goes on trying behind the menu, in milliseconds. */
const CONNECT_WITHIN_MS = 10_000;

/** How often name and password may be wrong before the menu is back. */
const LOGIN_ATTEMPTS = 3;

interface ConnectOptions {
  readonly withinMs?: number; // until it goes on trying behind the menu; 10 s by default
  readonly instead?: (line: string) => boolean; // runs a line that is meant for the menu; false when it is no command
}

export function connectOption(app: App): MenuCommand {
  return {
    ...OPTIONS.connect,
    aliases: ["login", "register"],
    details:
      "Without an argument, it connects to the server you have a login for, or asks. An invite link also lets you register.",
    takes: holdsInviteLink,
    run: async (args, { instead, terminal }) => {
      if (app.account && app.isOnline && args.trim() === "") {
        const where = `${safeText(app.account.server.host)} as ${safeText(app.account.name)}`;
        return await terminal.print(`You are connected to ${where}; 7 disconnects.`);
      }
      await connect(app, args.trim(), { instead });
    },
  };
}

export function disconnectOption(app: App): MenuCommand {
  return {
    ...OPTIONS.disconnect,
    aliases: ["quit", "exit", "bye", "q"],
    run: async (_args, context) => {
      await app.leave();
      await context.terminal.print("Goodbye.");
      context.leave();
    },
  };
}

/** Connects, and asks for what is missing; without `where`, to the one server with a saved login, else the person is asked. */
export async function connect(app: App, where: string, options: ConnectOptions = {}): Promise<void> {
  const { withinMs = CONNECT_WITHIN_MS } = options;
  if (app.account?.ended.aborted) await app.leave();
  if (app.account) return await hurry(app, app.account, where, withinMs);
  const link = where ? parseInviteLink(where) : onlyServer(app) ?? await askServer(app, options);
  if (!link) return;
  const server = await trustServer(app, link);
  if (!server) return;
  const login = savedLogin(app, server);
  if (login && await resume(app, server, login, withinMs)) return;
  await firstVisit(app, server, link, withinMs);
}

/** Connects as the one account with a saved login, without a question; does nothing where there is none, or there are several. */
export async function reconnect(app: App): Promise<void> {
  const link = onlyServer(app);
  const server = link && app.profile.findServer(link.host, link.port);
  const login = server && savedLogin(app, server);
  if (login) await resume(app, server, login, CONNECT_WITHIN_MS);
}

function savedLogin(app: App, server: KnownServer): SavedLogin | undefined {
  return app.profile.listLogins(server.serverId).find(({ token }) => token !== null);
}

function onlyServer(app: App): InviteLink | null {
  const [server, ...others] = app.profile.listServers().filter((known) => savedLogin(app, known));
  return server && others.length === 0 ? { host: server.host, port: server.port } : null;
}

/** The server that the person names, or the one used last; null when the answer was none, or was for the menu. */
async function askServer(app: App, { instead }: ConnectOptions): Promise<InviteLink | null> {
  const last = app.profile.listServers()[0];
  const shown = last && (last.port === DEFAULT_PORT ? last.host : formatHostAndPort(last.host, last.port));
  const answer = await app.terminal.readLine({
    prompt: shown ? `Server or invite link [${shown}]: ` : "Server or invite link: ",
    multiline: false,
  });
  if (answer === null) return null;
  if (answer.trim()) {
    if (isServerName(app.profile, answer)) return parseInviteLink(answer);
    if (instead?.(answer)) return null;
    const typed = oneLine(answer, 40);
    throw new UsageError(
      `Cannot use ${typed} as a server: give its name with a dot or a port, such as chat.example.org`,
    );
  }
  if (!last) {
    throw new UsageError(
      "Cannot connect without a server: give the invite link you were sent, or the server's address",
    );
  }
  return { host: last.host, port: last.port };
}

/** Comes back with the token of an earlier login; false when that no longer counts and the password is needed. */
async function resume(app: App, server: KnownServer, login: SavedLogin, withinMs: number): Promise<boolean> {
  try {
    await enter(app, server, login.name, withinMs);
    return true;
  } catch (error) {
    if (!(error instanceof ChatError && error.code === "unauthenticated")) throw error;
    app.profile.dropToken(login);
    await app.terminal.print(`The login of ${safeText(login.name)} on this device has ended.`);
    return false;
  }
}

async function firstVisit(app: App, server: KnownServer, link: InviteLink, withinMs: number): Promise<void> {
  const { terminal, profile } = app;
  // Kept, so that whoever stops here need not paste the link again.
  if (link.joinCode !== undefined) profile.keepJoinCode(server, link.joinCode);
  const joinCode = profile.joinCodeOf(server);
  await using guest = await visit(app, server);
  const { registration } = guest.greeting;
  const mayRegister = registration === "open" || (registration === "invite" && joinCode !== undefined);
  if (mayRegister) {
    await terminal.print("Choose a name and a password for a new account, or give those you have here.");
  } else if (registration === "invite") {
    await terminal.print("Log in. To register, you need an invite link from somebody on this server.");
  }
  for (let attempt = 1;; attempt++) {
    const name = (await terminal.readLine({ prompt: "Name: ", multiline: false }))?.trim().toLowerCase();
    if (!name) return;
    try {
      checked(nameField, name, "the name");
      const password = await app.askPassword("Password: ");
      if (password === null) return;
      if (!await logInOrRegister(app, guest, { name, password }, mayRegister ? { joinCode } : null)) return;
      return await enter(app, server, name, withinMs);
    } catch (error) {
      const canTryAgain = error instanceof ChatError &&
        ["conflict", "unauthenticated", "invalid"].includes(error.code);
      if (!canTryAgain || attempt === LOGIN_ATTEMPTS || !terminal.isInteractive) throw error;
      await terminal.print(yellow(`${safeText(messageOf(error))}. Try again.`));
    }
  }
}

/** Connects to a trusted server, on which nobody is signed in yet. */
export async function visit(app: App, server: KnownServer): Promise<Guest> {
  const what = `Connecting to ${safeText(server.host)}`;
  return await app.waitFor(what, (signal) => Guest.connect(server, app.profile, signal));
}

/**
 * Logs in or, where no account has this name and password, registers: the server tells no stranger which names there are.
 * @param registration Allows one to register; null where nothing does.
 * @returns False when the person gives up.
 */
async function logInOrRegister(
  app: App,
  guest: Guest,
  credentials: Pick<Credentials, "name" | "password">,
  registration: Registration | null,
): Promise<boolean> {
  try {
    await signInAs(app, guest, credentials, null);
    return true;
  } catch (error) {
    if (!registration || !(error instanceof ChatError && error.code === "unauthenticated")) throw error;
    const name = safeText(credentials.name);
    const question = `Nobody has the name ${name} and this password yet. Make a new account?`;
    if (!await app.terminal.confirm(question, true)) throw error;
  }
  const password = await app.askNewPassword("Password: ", credentials.password);
  if (password === null) return false;
  await signInAs(app, guest, { ...credentials, password }, registration);
  return true;
}

/** Logs in, or registers where `registration` is given, over a guest's connection, and keeps the login. */
export async function signInAs(
  app: App,
  guest: Guest,
  { name, password }: Pick<Credentials, "name" | "password">,
  registration: Registration | null,
): Promise<void> {
  const key = { serverId: guest.server.serverId, name };
  const deviceId = app.profile.findLogin(key)?.deviceId;
  const credentials = { name, password, ...(deviceId === undefined ? {} : { deviceId }) };
  const what = `${registration ? "Registering" : "Logging in"} as ${safeText(name)}`;
  const signedIn = await app.waitFor(what, (signal) => guest.signIn(credentials, registration, signal))
    .catch((error) => {
      if (!registration) throw error;
      app.failInDoubt(error, {
        whether: `the account ${safeText(name)} was made`,
        look: "Connect again with the same name and password: that logs in if it was",
      });
    });
  app.profile.saveLogin(key, signedIn);
  app.profile.keepJoinCode(guest.server, null);
}

/** How long nothing may arrive, in milliseconds, before the menu opens without the messages that wait. */
const SILENT_MS = 10_000;

/** Tells the person what happens, on the screen and by notifications. */
export function newsOf(app: App): News {
  app.terminal.alerts.watchFocus();
  return new News({
    terminal: app.terminal,
    isAtMenu: () => app.isAtMenu,
    learnName: (name) => app.learnName(name),
    notify: (notice) => app.notifier.notify(notice),
  });
}

/** Lets an account that waits for its next attempt make it now. */
async function hurry(app: App, account: Account, where: string, withinMs: number): Promise<void> {
  const name = safeText(account.name);
  if (account.isOnline) throw new UsageError(`Cannot connect: already connected as ${name}; 7 disconnects`);
  if (where) {
    throw new UsageError(
      `Cannot connect to another server while ${name} waits for a connection; 7 disconnects`,
    );
  }
  account.retryNow();
  const what = `Connecting to ${safeText(account.server.host)} as ${name}`;
  const outcome = await app.waitFor(what, (signal) => account.firstOutcome(withinMs, signal));
  if (outcome.kind === "ended") throw outcome.error;
  if (outcome.kind === "waiting") return await stillTrying(app, outcome.reason);
  await tellConnected(app, account);
}

async function tellConnected(app: App, { server, name }: Account): Promise<void> {
  await app.terminal.print(green(`Connected to ${safeText(server.host)} as ${safeText(name)}.`));
}

async function stillTrying(app: App, reason: string): Promise<void> {
  await app.terminal.print(yellow(`${safeText(reason)}.`));
  await app.terminal.print("Still trying. Anything you write now is saved and sent once connected.");
}

/** Connects as the account of a saved login: online, or going on to try behind the menu. */
async function enter(app: App, server: KnownServer, name: string, withinMs: number): Promise<void> {
  const account = new Account({ profile: app.profile, server, name, news: newsOf(app) });
  announceInvitations(app, account);
  const what = `Connecting to ${safeText(server.host)} as ${safeText(name)}`;
  const outcome = await app.waitFor(what, (signal) => account.firstOutcome(withinMs, signal));
  if (outcome.kind === "ended") {
    await account[Symbol.asyncDispose]();
    throw outcome.error;
  }
  app.enter(account);
  if (outcome.kind === "online") return await welcome(app, account);
  await stillTrying(app, outcome.reason);
}

async function welcome(app: App, account: Account): Promise<void> {
  const { terminal } = app;
  await tellConnected(app, account);
  for (const refused of account.records.listRefused()) {
    account.news?.refused(refused.to, refused.text, refused.reason);
    account.records.dismissRefused(refused.id);
  }
  if (!await app.waitFor("Fetching your messages", (signal) => account.caughtUp(SILENT_MS, signal))) {
    if (account.client.undelivered !== null) return; // the news has told it
    return await terminal.print("Your messages are still arriving; 3 shows those that have arrived.");
  }
  const { unread: { length: unread }, hasMore } = account.client;
  if (unread === 0) return await terminal.print("No new messages.");
  const amount = `${hasMore ? "More than " : ""}${count(unread, "new message")}`;
  await terminal.print(`${amount}; 3 shows ${unread === 1 ? "it" : "them"}.`);
}
