/**
 * Option 0: connect to the server, and log in; on the first visit, decide about trust and register.
 * @module
 */
import { ChatError, messageOf, UsageError } from "../errors.ts";
import { nameField } from "../protocol/fields.ts";
import { type InviteLink, parseInviteLink } from "../protocol/invite_link.ts";
import { checked } from "../protocol/requests.ts";
import type { KnownServer, SavedLogin } from "../store/profile.ts";
import type { MenuCommand } from "../terminal/menu.ts";
import { green, yellow } from "../terminal/style.ts";
import { safeText } from "../terminal/safe_text.ts";
import { AccountSession } from "./account_session.ts";
import type { App } from "./app.ts";
import { count } from "./format.ts";
import { Guest } from "./guest.ts";
import { announceInvitations } from "./invitations.ts";
import { News } from "./news.ts";
import { trustServer } from "./trust.ts";

/** How long option 0 waits for the first connection before it goes on trying behind the menu, in milliseconds. */
const CONNECT_WITHIN_MS = 10_000;

/** How often name and password may be wrong before the menu is back. */
const LOGIN_ATTEMPTS = 3;

/** A server and, where one is known, the account to log in to. */
interface Target {
  readonly link: InviteLink;
  /** Account to use; unset means the last one, or to ask. */
  readonly name?: string;
}

/** The menu's option. */
export function connectOption(app: App): MenuCommand {
  return {
    number: 0,
    name: "connect",
    aliases: ["login", "register"],
    usage: "[SERVER | LINK]",
    summary: "Connect to the server",
    details: "Alone, it goes to the last server used. An invite link also lets you register.",
    run: (args) => connect(app, args.trim()),
  };
}

/**
 * Connects as a person would: asks for what is missing.
 *
 * @param where Host, host and port, or invite link; empty for the last server used.
 * @param options.withinMs How long to wait for a server that is known, before going on behind the menu; 10 s by default.
 */
export async function connect(app: App, where: string, options: { withinMs?: number } = {}): Promise<void> {
  if (app.session) {
    throw new UsageError(`Cannot connect: connected as ${app.session.name} already; 7 disconnects`);
  }
  const link = where ? parseInviteLink(where) : await lastServer(app);
  if (!link) return;
  const server = await trustServer(app, link);
  if (!server) return;
  const login = app.profile.listLogins(server.serverId).find(({ token }) => token !== null);
  if (login && await resume(app, server, login, options.withinMs ?? CONNECT_WITHIN_MS)) return;
  await firstVisit(app, server, { link });
}

/** The server used last, or the one the person names. */
async function lastServer(app: App): Promise<InviteLink | null> {
  const last = app.profile.listServers()[0];
  const shown = last &&
    (last.port === 7667
      ? last.host
      : `${last.host.includes(":") ? `[${last.host}]` : last.host}:${last.port}`);
  const answer = await app.terminal.readLine({
    prompt: shown ? `Server or invite link [${shown}]: ` : "Server or invite link: ",
    multiline: false,
  });
  if (answer === null) return null;
  if (answer.trim()) return parseInviteLink(answer);
  if (!last) {
    throw new UsageError(
      "Cannot connect to nothing: give the invite link you were sent, or the server's address",
    );
  }
  return { host: last.host, port: last.port };
}

/**
 * Comes back with the token of an earlier login.
 *
 * @returns False when the token no longer counts: the password is needed.
 */
async function resume(app: App, server: KnownServer, login: SavedLogin, withinMs: number): Promise<boolean> {
  const session = startSession(app, server, login.name);
  const { terminal } = app;
  const stop = new AbortController();
  using _interrupt = terminal.onInterrupt(() => stop.abort());
  terminal.status(`Connecting to ${safeText(server.host)} as ${safeText(login.name)}… (Ctrl+C stops)`);
  const outcome = await session.firstOutcome(withinMs, stop.signal);
  terminal.status("");
  switch (outcome.kind) {
    case "online":
      app.enter(session);
      await welcome(app, session);
      return true;
    case "refused":
      await session[Symbol.asyncDispose]();
      if (!(outcome.error instanceof ChatError && outcome.error.code === "unauthenticated")) {
        throw outcome.error;
      }
      app.profile.dropToken(login);
      await terminal.print(`The login of ${safeText(login.name)} on this device has ended.`);
      return false;
    case "interrupted":
      await session[Symbol.asyncDispose]();
      throw new UsageError("Stopped: not connected");
    case "waiting":
      app.enter(session);
      await terminal.print(yellow(`${safeText(outcome.reason)}.`));
      await terminal.print("Trying again until it is there; what you write meanwhile is kept and sent then.");
      return true;
  }
}

/** Logs in or registers, and goes on as that account. */
async function firstVisit(app: App, server: KnownServer, { link }: Target): Promise<void> {
  const { terminal } = app;
  await using guest = await Guest.connect(server, app.profile);
  const { registration } = guest.greeting;
  const mayRegister = registration === "open" || (registration === "invite" && link.joinCode !== undefined);
  const isNew = mayRegister &&
    !await terminal.confirm("Do you have an account on this server already?", false);
  if (!isNew && !mayRegister && registration === "invite") {
    await terminal.print("Log in. To register, you need an invite link from somebody on this server.");
  }
  for (let attempt = 1;; attempt++) {
    const name = (await terminal.readLine({ prompt: "Name: ", multiline: false }))?.trim().toLowerCase();
    if (!name) return;
    try {
      checked(nameField, name, "the name");
      const password = isNew ? await app.askNewPassword("Password: ") : await app.askPassword("Password: ");
      if (password === null) return;
      const session = await enterAs(
        app,
        server,
        guest,
        { name, password },
        isNew ? { joinCode: link.joinCode } : null,
      );
      await welcome(app, session);
      return;
    } catch (error) {
      const canTryAgain = error instanceof ChatError &&
        ["conflict", "unauthenticated", "invalid"].includes(error.code);
      if (!canTryAgain || attempt === LOGIN_ATTEMPTS || !terminal.isInteractive) throw error;
      await terminal.print(yellow(`${safeText(messageOf(error))}. Try again.`));
    }
  }
}

/**
 * Logs in or registers over a guest's connection, keeps the login, and enters the account's session once it is online.
 *
 * @param registration Null to log in; else how to register.
 */
export async function enterAs(
  app: App,
  server: KnownServer,
  guest: Guest,
  { name, password }: { readonly name: string; readonly password: string },
  registration: { readonly joinCode: string | undefined } | null,
): Promise<AccountSession> {
  const account = { serverId: server.serverId, name };
  const deviceId = app.profile.findLogin(account)?.deviceId;
  const credentials = { name, password, ...(deviceId === undefined ? {} : { deviceId }) };
  const signedIn = registration
    ? await guest.register(credentials, registration.joinCode)
    : await guest.login(credentials);
  app.profile.saveLogin(account, signedIn);
  const session = startSession(app, server, name);
  const outcome = await session.firstOutcome(CONNECT_WITHIN_MS);
  if (outcome.kind === "refused") throw outcome.error;
  app.enter(session);
  return session;
}

/** Starts the session of a saved login, telling the person at the menu what happens. */
function startSession(app: App, server: KnownServer, name: string): AccountSession {
  const news = new News(app.terminal, (seen) => app.learnName(seen));
  const session = new AccountSession({ profile: app.profile, server, name, news });
  announceInvitations(app.terminal, session, (seen) => app.learnName(seen));
  return session;
}

async function welcome(app: App, session: AccountSession): Promise<void> {
  const { terminal } = app;
  await terminal.print(green(`Connected to ${safeText(session.server.host)} as ${safeText(session.name)}.`));
  for (const refused of app.profile.outbox.listRejected(session.account)) {
    session.news?.refused(refused.to, refused.text, refused.reason);
    app.profile.outbox.dismissRejected(refused.id);
  }
  await session.client.caughtUp;
  const unread = session.client.unread.length;
  await terminal.print(
    unread > 0
      ? `${count(unread, "new message")}; 3 shows ${unread === 1 ? "it" : "them"}.`
      : "No new messages.",
  );
}
