/**
 * The client's subcommands for scripts. They share the code of the menu's options; here are their flags and their flow.
 * @module
 */
import { type Command, Option } from "commander";
import { ChatError, LinkError, UsageError } from "../errors.ts";
import { parseInviteLink } from "../protocol/invite_link.ts";
import type { KnownServer, SavedLogin } from "../store/profile.ts";
import { AccountSession } from "./account_session.ts";
import { type App, NotSignedInError } from "./app.ts";
import { enterAs } from "./connect.ts";
import { Guest } from "./guest.ts";
import { printHistory } from "./history.ts";
import { followInbox, printInbox } from "./inbox.ts";
import { News } from "./news.ts";
import { sendOnce } from "./send.ts";
import { trustServer } from "./trust.ts";
import { listUsers } from "./users.ts";

/** How long a subcommand tries to reach the server, in milliseconds. */
const REACH_WITHIN_MS = 15_000;

/** Flags of every subcommand. */
export interface ScriptOptions {
  /** One JSON object a line in place of text. */
  readonly json: boolean;
  /** Server to use, when there are several; the last one by default. */
  readonly server?: string;
  /** Account to use, when there are several; the last one by default. */
  readonly user?: string;
}

/** Runs what a subcommand does, with the program made and the session open. */
export type WithApp = (work: (app: App) => Promise<void>) => Promise<void>;

/** Adds the subcommands of chat to the program. */
export function addScriptCommands(program: Command, withApp: WithApp): void {
  /** A subcommand that works as the account that signed in before. */
  function signedIn(name: string, summary: string): Command {
    return addScriptOptions(program.command(name).description(summary));
  }
  /** Runs a subcommand's work as that account. */
  function as(options: ScriptOptions, work: (app: App) => Promise<void>): Promise<void> {
    return withApp(async (app) => {
      await openSession(app, options);
      await work(app);
    });
  }
  signedIn("users", "list every user: online, idle or last seen")
    .action((options: ScriptOptions) => as(options, (app) => listUsers(app, options)));
  signedIn("send", "send a message; done when it is on the server's disk")
    .argument("<user>").argument("[text]", "the text; - or nothing reads it from standard input")
    .action((to: string, text: string | undefined, options: ScriptOptions) =>
      as(options, async (app) => {
        // `echo hello` ends its line; the message need not.
        const body = text === undefined || text === "-"
          ? (await app.readInput()).replace(/\r?\n$/, "")
          : text;
        await sendOnce(app, to.toLowerCase(), body, options);
      })
    );
  signedIn("inbox", "print what arrived, and note it as read")
    .option("--keep", "do not note it as read", false)
    .action((options: ScriptOptions & { keep: boolean }) => as(options, (app) => printInbox(app, options)));
  signedIn("history", "print what you and somebody wrote to each other").argument("<user>")
    .action((name: string, options: ScriptOptions) =>
      as(options, (app) => printHistory(app, name.toLowerCase(), options))
    );
  signedIn("tail", "print what arrives, until it is stopped; each message is read once printed")
    .action((options: ScriptOptions) => as(options, (app) => followInbox(app, options, app.session!.ended)));
  signedIn("whoami", "print who is signed in, and where")
    .action((options: ScriptOptions) => as(options, (app) => printWho(app, options)));
  signedIn("logout", "end the login of this device")
    .action((options: ScriptOptions) => as(options, (app) => app.logOut()));
  addScriptOptions(program.command("register"), false).description(
    "make an account, and stay signed in on this device",
  )
    .argument("<link>", "the invite link, or the server's address").argument("<name>")
    .action((link: string, name: string, options: ScriptOptions) =>
      withApp((app) => signIn(app, link, name.toLowerCase(), true, options))
    );
  addScriptOptions(program.command("login"), false).description("sign in on this device")
    .argument("<server>", "the server's address, or its invite link").argument("<name>")
    .action((server: string, name: string, options: ScriptOptions) =>
      withApp((app) => signIn(app, server, name.toLowerCase(), false, options))
    );
}

/** Adds the flags that subcommands share. */
export function addScriptOptions(command: Command, choosesAccount = true): Command {
  command.addOption(new Option("--json", "print one JSON object a line").default(false));
  return choosesAccount ? addAccountOptions(command) : command;
}

/** Adds the flags that choose one of several accounts. */
export function addAccountOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--server <host>", "server, when you use several (default: the last one)").env(
        "MINI_CHAT_SERVER",
      ),
    )
    .addOption(
      new Option("--user <name>", "account, when you have several (default: the last one)").env(
        "MINI_CHAT_USER",
      ),
    );
}

/**
 * Opens the session of the account that signed in before.
 *
 * @param tellsNews Whether somebody sits there and is told what happens meanwhile.
 * @throws {NotSignedInError} when none did, or its login has ended.
 * @throws {LinkError} when the server cannot be reached in time.
 */
export async function openSession(
  app: App,
  options: Pick<ScriptOptions, "server" | "user">,
  tellsNews = false,
): Promise<void> {
  const { server, login } = findLogin(app, options);
  const news = tellsNews ? new News(app.terminal, (name) => app.learnName(name)) : null;
  const session = new AccountSession({ profile: app.profile, server, name: login.name, news });
  const outcome = await session.firstOutcome(REACH_WITHIN_MS);
  if (outcome.kind === "online") return app.enter(session);
  await session[Symbol.asyncDispose]();
  if (outcome.kind === "waiting") throw new LinkError(outcome.reason);
  if (outcome.kind === "interrupted") throw new UsageError("Stopped");
  if (outcome.error instanceof ChatError && outcome.error.code === "unauthenticated") {
    throw new NotSignedInError(
      `${outcome.error.message}: mini-chat-client login ${server.host} ${login.name}`,
    );
  }
  throw outcome.error;
}

function findLogin(
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
  throw new NotSignedInError(
    "Nobody is signed in here: mini-chat-client register LINK NAME, or login SERVER NAME",
  );
}

async function signIn(
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
  if (!password) throw new UsageError("Cannot go on without a password");
  await using guest = await Guest.connect(server);
  await enterAs(app, server, guest, { name, password }, isNew ? { joinCode: link.joinCode } : null);
  if (options.json) await printWho(app, options);
}

async function printWho(app: App, options: ScriptOptions): Promise<void> {
  const session = app.session!;
  const { shareRead, email } = await app.client().call("update_settings", {});
  const { host, port } = session.server;
  const who = {
    name: session.name,
    server: `${host.includes(":") ? `[${host}]` : host}:${port}`,
    readReceipts: shareRead,
    email,
  };
  await app.terminal.print(options.json ? JSON.stringify(who) : `${who.name} at ${who.server}`);
}
