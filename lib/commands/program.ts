// The flags of the client's subcommands for scripts, which share the code of the menu's options.
import { Argument, type Command, Option } from "commander";
import { ConnectionError, UsageError } from "../errors.ts";
import type { App } from "./app.ts";
import { checkOneText } from "./command_line.ts";
import type { RangeFlags } from "./chat/history.ts";
import type { ScriptOptions } from "./scripts.ts";
import { typedName } from "./chat/typed_name.ts";

export type WithApp = (work: (app: App) => Promise<void>) => Promise<void>;

type Work = (app: App, scripts: typeof import("./scripts.ts")) => Promise<void>;

export function addScriptCommands(program: Command, withApp: WithApp): void {
  /** A subcommand that works as the account that signed in before. */
  function signedIn(name: string, summary: string): Command {
    return addScriptOptions(program.command(name).description(summary));
  }
  const alone = (work: Work) => withApp(async (app) => work(app, await import("./scripts.ts")));
  const as = (options: ScriptOptions, work: Work) =>
    alone(async (app, scripts) => {
      await scripts.openAccount(app, options);
      await work(app, scripts);
    });
  signedIn("users", "list every user: online, idle or last seen")
    .action((options: ScriptOptions) => as(options, (app, { listUsers }) => listUsers(app, options)));
  signedIn("send", "send a message; ends once it is on the server's disk")
    .argument("<user>", "the recipient")
    .argument(
      "[text]",
      "the text; read from standard input when it is - or left out, and asked for at a terminal",
    )
    .allowExcessArguments()
    .action(async (to: string, text: string | undefined, options: ScriptOptions, { args }: Command) => {
      checkOneText(args.slice(1), "send", 'send bob "hello there"');
      await alone(async (app, { openAccount, sendOnce }) => {
        await openAccount(app, options).catch((error) => {
          if (!(error instanceof ConnectionError)) throw error;
          throw new ConnectionError(`${error.message}. The message was not kept: send it again`, {
            cause: error,
          });
        });
        await sendOnce(app, typedName(to), await textToSend(app, text), options);
      });
    });
  signedIn("inbox", "print new messages, and mark them as read")
    .option("--keep", "do not mark them as read", false)
    .action((options: ScriptOptions & { keep: boolean }) =>
      as(options, (app, { printInbox }) => printInbox(app, options))
    );
  signedIn("history", "print the messages between you and another user")
    .argument("<user>", "the other user")
    .option("--limit <n>", "the newest so many alone")
    .option(
      "--since <when>",
      "from then on: 2d, 3h, yesterday, 14:00, 2026-11-20 or 2026-11-20T14:00, in local time",
    )
    .option("--before <when>", "what was written before then")
    .option("--offline", "from the copy on this disk, without connecting", false)
    .action((name: string, options: ScriptOptions & RangeFlags & { offline: boolean }) =>
      alone((app, { showHistory }) => showHistory(app, typedName(name), options))
    );
  signedIn("tail", "print messages as they arrive, until stopped; each is marked as read once printed")
    .option("--notify", "call you for each, as the command notify has it", false)
    .action((options: ScriptOptions & { notify: boolean }) =>
      as(options, (app, { followInbox }) => followInbox(app, options, app.account!.ended))
    );
  signedIn(
    "doctor",
    "examine profile, way to the server, login, direct chats and mail; exit code 1 where something does not work",
  )
    .argument("[server]", "its address or an invite link (default: the last one)")
    .action((where: string | undefined, options: ScriptOptions) =>
      alone((app, { runDoctor, findLogin }) =>
        runDoctor(app, where, {
          json: options.json,
          profileFolder: program.opts<{ profile: string }>().profile,
          findTarget: () => {
            const { server: known, login } = findLogin(app, options);
            return { known, login };
          },
        })
      )
    );
  signedIn("notify", "see or change when and how you are called for what arrives")
    .argument(
      "[words...]",
      "on, off, USER on|off, how WAY, command LINE, quiet HOURS|off, hide-text on|off, test",
    )
    .action((words: string[], options: ScriptOptions) =>
      alone((app, { notifyOnce, findLogin }) =>
        notifyOnce(app, words.join(" "), options, () => findLogin(app, options).login)
      )
    );
  signedIn("block", "refuse messages from a user; without a name, list the users you blocked")
    .argument("[user]", "the user")
    .action((name: string | undefined, options: ScriptOptions) =>
      as(
        options,
        (app, { blockOnce }) => blockOnce(app, name === undefined ? undefined : typedName(name), options),
      )
    );
  signedIn("unblock", "accept messages from a user again")
    .argument("<user>", "the user")
    .action((name: string, options: ScriptOptions) =>
      as(options, (app, { unblockOnce }) => unblockOnce(app, typedName(name), options))
    );
  signedIn(
    "settings",
    "print what other users learn about you and what is kept here, after a change if one is given",
  )
    .addArgument(
      new Argument("[setting]", "what to change").choices(["read-receipts", "address", "local-history"]),
    )
    .argument("[value]", "on or off; for the address an e-mail address or none")
    .action((setting: string | undefined, value: string | undefined, options: ScriptOptions) =>
      // What is kept here needs no connection.
      (setting === "local-history" ? alone : (work: Work) => as(options, work))((app, { settingsOnce }) =>
        settingsOnce(app, [setting, value].join(" ").trim(), options)
      )
    );
  addAccountOptions(program.command("password"))
    .description("change your password, the old one first; your other devices are logged out")
    .option("--new-password-command <command>", "command that prints the new one, instead of asking")
    .action((options: Omit<ScriptOptions, "json"> & { newPasswordCommand?: string }) =>
      as(
        { ...options, json: false },
        (app, { changePasswordOnce }) => changePasswordOnce(app, options.newPasswordCommand),
      )
    );
  signedIn(
    "report",
    "report a user to the server's operator, who can read the messages that you name and no others",
  )
    .argument("<user>", "the user")
    .argument("<why>", "what is wrong")
    .option(
      "--message <which>",
      "a message from this user, by its id or by how far back it is (1 is the newest); may be repeated",
      (which: string, before: string[] = []) => [...before, which],
    )
    .allowExcessArguments()
    .action(
      async (
        name: string,
        why: string,
        options: ScriptOptions & { message?: string[] },
        { args }: Command,
      ) => {
        checkOneText(args.slice(1), "report", 'report bob "sends advertisements"');
        await as(
          options,
          (app, { reportOnce }) =>
            reportOnce(app, { name: typedName(name), why, which: options.message ?? [] }, options),
        );
      },
    );
  signedIn(
    "export",
    "write all your messages and settings to a new folder, as JSON lines; goes on where it was cut off",
  )
    .argument("<dir>", "a folder that is not there yet")
    .action((folder: string, options: ScriptOptions) =>
      as(options, (app, { exportAccount }) => exportAccount(app, folder, options))
    );
  signedIn("delete-account", "delete your account for ever; asks for its password")
    .option("--yes", "do not ask whether you mean it", false)
    .action((options: ScriptOptions & { yes: boolean }) =>
      as(options, (app, { deleteAccount }) => deleteAccount(app, options))
    );
  signedIn("whoami", "print the account that is signed in, and its server")
    .action((options: ScriptOptions) => as(options, (app, { printWho }) => printWho(app, options)));
  signedIn("logout", "log out on this device, and remove the copy of your messages from it")
    .action((options: ScriptOptions) => alone((app, { logOutOnce }) => logOutOnce(app, options)));
  addScriptOptions(program.command("register"), false)
    .description("create an account, and stay signed in on this device")
    .argument("<link>", "the invite link, or the server's address")
    .argument("<name>", "the name you want: letters, digits, . _ and -")
    .action((link: string, name: string, options: ScriptOptions) =>
      alone((app, { signIn }) => signIn(app, link, typedName(name), true, options))
    );
  addScriptOptions(program.command("login").alias("connect"), false).description("sign in on this device")
    .argument("<server>", "the server's address, or its invite link")
    .argument("<account>", "name of your account")
    .action((server: string, name: string, options: ScriptOptions) =>
      alone((app, { signIn }) => signIn(app, server, typedName(name), false, options))
    );
}

async function textToSend(app: App, given: string | undefined): Promise<string> {
  if (given === undefined && app.terminal.isInteractive) {
    const typed = await app.terminal.readLine({ prompt: "Text: " });
    if (typed !== null) return typed;
    throw new UsageError("Cannot send without a text: nothing was sent");
  }
  if (given !== undefined && given !== "-") return given;
  // `echo hello` ends its line; the message need not.
  return (await app.readInput()).replace(/\r?\n$/, "");
}

function addScriptOptions(command: Command, choosesAccount = true): Command {
  command.addOption(new Option("--json", "print one JSON object per line").default(false));
  return choosesAccount ? addAccountOptions(command) : command;
}

export function addAccountOptions(command: Command): Command {
  const server = new Option("--server <host>", "server, when you use several").default(
    undefined,
    "the last one",
  );
  const user = new Option("--user <account>", "account, when you have several").default(
    undefined,
    "the last one",
  );
  return command.addOption(server.env("MINI_CHAT_SERVER")).addOption(user.env("MINI_CHAT_USER"));
}
