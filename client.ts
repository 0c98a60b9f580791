/**
 * The client program: `mini-chat-client` opens the menu; its subcommands serve scripts.
 *
 * From source: `deno task client --help`.
 *
 * What is imported here is loaded at every start, so it knows flags and errors only; all that does something is loaded
 * with `import()` once the arguments are understood.
 * @module
 */
import { Command, CommanderError, Option } from "commander";
import { join } from "node:path";
import {
  ChatError,
  ConnectionError,
  messageOf,
  NotSignedInError,
  OutputError,
  TrustError,
  UndeliveredError,
  UsageError,
} from "./lib/errors.ts";
import type { App } from "./lib/commands/app.ts";
import { addChatCommands } from "./lib/commands/direct/program.ts";
import {
  addHelpCommand,
  checkFirstWord,
  holdMoreThanFlags,
  prepareProgram,
} from "./lib/commands/command_line.ts";
import type { EmailSurroundings } from "./lib/commands/email/parts.ts";
import { addEmailCommand } from "./lib/commands/email/program.ts";
import { browserOpener } from "./lib/commands/email/open_browser.ts";
import { addScriptCommands, type WithApp } from "./lib/commands/program.ts";
import { addCompletionCommands } from "./lib/completion/program.ts";
import { Interrupt } from "./lib/terminal/read_line.ts";
import type { Terminal } from "./lib/terminal/terminal.ts";

const FAULT_EXIT_CODE = 1;
const USAGE_EXIT_CODE = 2;

/** What each exit code says, for the manual page too; and the errors, caused by a person or another machine, that end with it. */
export const EXIT_STATUS: readonly {
  readonly code: number;
  readonly kinds: readonly (new (...args: never[]) => Error)[];
  readonly meaning: string;
}[] = [
  { code: 0, kinds: [], meaning: "done" },
  {
    code: FAULT_EXIT_CODE,
    kinds: [ChatError, TrustError],
    meaning: "refused (of an e-mail: for anybody), or something went wrong",
  },
  { code: USAGE_EXIT_CODE, kinds: [UsageError], meaning: "wrong usage" },
  {
    code: 3,
    kinds: [ConnectionError],
    meaning:
      "no connection to the server, or it does not take a message now, which is kept; or an e-mail is kept in the outbox, as it could not be sent to all now",
  },
  {
    code: 4,
    kinds: [NotSignedInError],
    meaning: "nobody is signed in on this device, or at the mail provider",
  },
  { code: 5, kinds: [UndeliveredError], meaning: "lines of a direct chat were not delivered" },
  { code: 6, kinds: [OutputError], meaning: "the output was not taken, or nobody sees it" },
  { code: 130, kinds: [Interrupt], meaning: "stopped by Ctrl+C" },
];

interface ProgramOptions {
  readonly profile: string;
  readonly passwordCommand?: string;
}

function homeFolder(): string | undefined {
  return Deno.env.get("HOME") || Deno.env.get("USERPROFILE") || undefined;
}

/**
 * The folder of the profile when none is given: where the system keeps the state of programs. Empty where that is not known: in the
 * folder that one happens to stand in, a login would be lost in the next one, or lie where others read it.
 */
function defaultProfileFolder(): string {
  const home = homeFolder();
  const inHome = (...folders: string[]) => home && join(home, ...folders);
  const states = {
    windows: () => Deno.env.get("LOCALAPPDATA") || inHome("AppData", "Local"),
    darwin: () => inHome("Library", "Application Support"),
    others: () => Deno.env.get("XDG_STATE_HOME") || inHome(".local", "state"),
  };
  const { os } = Deno.build;
  const state = states[os === "windows" || os === "darwin" ? os : "others"]();
  return state ? join(state, "mini-chat") : "";
}

/** What is run: only a script's lines are left as they are, to be copied or read by programs. */
type Use = "menu" | "chat" | "script";

/** Makes the program's state, runs the work on it, and takes it down whatever happens. `greet` has the screen while the rest is loaded. */
async function withApp(
  options: ProgramOptions,
  use: Use,
  work: (app: App) => Promise<void>,
  greet: (terminal: Terminal) => Promise<void> = async () => {},
): Promise<void> {
  const [{ IdleWatch }, { Terminal }] = await Promise.all([
    import("./lib/commands/idle_watch.ts"),
    import("./lib/terminal/terminal.ts"),
  ]);
  const { passwordCommand } = options;
  using idle = new IdleWatch((isIdle) => app.account?.setIdle(isIdle));
  await using terminal = new Terminal({
    onInput: () => idle.touched(),
    term: Deno.env.get("TERM"),
    emulator: {
      termProgram: Deno.env.get("TERM_PROGRAM"),
      lcTerminal: Deno.env.get("LC_TERMINAL"),
      kittyWindow: Deno.env.get("KITTY_WINDOW_ID"),
      tmux: Deno.env.get("TMUX"),
      screen: Deno.env.get("STY"),
    },
    noColor: Deno.env.get("NO_COLOR"),
    editor: Deno.env.get("VISUAL") || Deno.env.get("EDITOR"),
    breaksLines: use !== "script",
  });
  await greet(terminal);
  const { App, defaultDownloadFolder, openProfile, readAllInput, readPasswordCommand } = await import(
    "./lib/commands/app_parts.ts"
  );
  using profile = openProfile(options.profile);
  const isScript = use !== "menu";
  await using app = new App(terminal, profile, {
    isScript,
    readInput: () => readAllInput(Deno.stdin.readable),
    homeFolder: homeFolder() ?? ".",
    downloadFolder: defaultDownloadFolder(homeFolder() ?? ".", Deno.env.get("XDG_DOWNLOAD_DIR")),
    ...(isScript || !Deno.stdout.isTerminal() ? { warn: printWarning } : {}),
    // It may ask for something itself.
    ...(passwordCommand === undefined
      ? {}
      : { passwordCommand: () => terminal.runOutside(() => readPasswordCommand(passwordCommand)) }),
  });
  using _goodbye = onEnd(async () => {
    await app.leave();
    terminal.restore();
  });
  await work(app);
  // However long a reader takes: what it has not taken was not printed.
  await terminal.flush();
}

function emailSurroundings(options: ProgramOptions): EmailSurroundings {
  return {
    profileFolder: options.profile,
    homeFolder: homeFolder(),
    openBrowser: browserOpener({
      isRemote: Deno.env.has("SSH_CONNECTION") || Deno.env.has("SSH_TTY"),
      hasDisplay: Deno.env.has("DISPLAY") || Deno.env.has("WAYLAND_DISPLAY"),
    }),
  };
}

/** What it says may come from a server that wants to do something to the terminal. */
async function printError(text: string): Promise<void> {
  const { safeText } = await import("./lib/terminal/safe_text.ts");
  const line = safeText(text, { multiline: true });
  // The exit code says it too, where nobody takes the words.
  await Deno.stderr.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
}

/** Prints a line on standard error before it returns, as the process may be about to end. */
function printWarning(line: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
  } catch {
    // Nobody takes the words.
  }
}

/** Runs something before a signal ends the process: a closed terminal, SIGTERM. */
function onEnd(run: () => Promise<void>): Disposable {
  const signals: [Deno.Signal, number][] = Deno.build.os === "windows"
    ? [["SIGBREAK", 1]]
    : [["SIGHUP", 129], ["SIGTERM", 143]];
  const listeners = signals.map(([signal, code]) => {
    const listener = () => void run().finally(() => Deno.exit(code));
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return { [Symbol.dispose]: () => listeners.forEach((remove) => remove()) };
}

/** Whether a word that is no subcommand names a server: by its form, or as one that is known already. */
async function isServer(word: string, program: Command): Promise<boolean> {
  const { isServerName, openProfile } = await import("./lib/commands/app_parts.ts");
  // The arguments are not parsed yet, and commander looks at the environment only then.
  const { profile: folder } = program.opts<ProgramOptions>();
  const isGiven = program.getOptionValueSource("profile") === "cli";
  using profile = openProfile(isGiven ? folder : Deno.env.get("MINI_CHAT_PROFILE") ?? folder);
  return isServerName(profile, word);
}

function addProgramOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--profile <dir>", "folder of your logins and unsent messages").env("MINI_CHAT_PROFILE")
        .default(defaultProfileFolder(), defaultProfileFolder().replace(homeFolder() ?? "~", "~")),
    )
    .addOption(
      new Option("--password-command <command>", "command that prints the password, instead of asking")
        .env("MINI_CHAT_PASSWORD_COMMAND"),
    );
}

/** The program without its subcommands: what opens the menu. */
function menuProgram(args: readonly string[]): Command {
  const program = addProgramOptions(
    prepareProgram(new Command("mini-chat-client"), args)
      .description("Chat with people on a Mini-Chat server. Without a subcommand it opens the menu.")
      .argument(
        "[server]",
        "the invite link you were sent, or the server: an address, or a name with a dot or a port",
      ),
  );
  return program.action((where: string | undefined, options: ProgramOptions) =>
    withApp(options, "menu", async (app) => {
      const { runMenu } = await import("./lib/commands/main_menu.ts");
      await runMenu(app, where, emailSurroundings(options));
    }, async (terminal) => {
      const { firstMenu } = await import("./lib/commands/options.ts");
      await terminal.print(firstMenu(terminal.size.columns));
    })
  );
}

/** `endWith` hears of an exit code that a subcommand ends with, without an error. */
function addSubcommands(program: Command, endWith: (code: number) => void): Command {
  const as = (use: Use): WithApp => (work) => withApp(program.opts<ProgramOptions>(), use, work);
  const asScript = as("script");
  addHelpCommand(program);
  addScriptCommands(program, asScript);
  addChatCommands(program, as("chat"));
  addEmailCommand(program, (work) =>
    asScript(async (app) => {
      const { runEmailOnce } = await import("./lib/commands/email/once.ts");
      endWith(await runEmailOnce(app, emailSurroundings(program.opts()), printError, work));
    }));
  // `inbox --profile DIR` means the same as `--profile DIR inbox`.
  for (const command of program.commands.filter((it) => it.name() !== "help")) addToAll(command);
  program.hook("preAction", (_program, subcommand) => handUp(subcommand, program));
  addCompletionCommands(program, {
    sources: async () => (await import("./lib/commands/known_words.ts")).KNOWN_WORDS,
    readVariable: (name) => Deno.env.get(name),
  });
  return program;
}

/** Lets the program's own flags stand behind a subcommand too. */
function addToAll(command: Command): void {
  addProgramOptions(command);
  command.commands.forEach(addToAll);
}

/** Gives the program those of its own flags that were given behind a subcommand; of two that differ, the nearer one counts. */
function handUp(subcommand: Command, program: Command): void {
  for (const name of program.options.map((option) => option.attributeName())) {
    for (let it = subcommand; it.parent !== null; it = it.parent) {
      if (it.getOptionValueSource(name) !== "cli") continue;
      program.setOptionValueWithSource(name, it.getOptionValue(name), "cli");
      break;
    }
  }
}

/** The command tree. */
export function clientProgram(): Command {
  return addSubcommands(menuProgram([]), () => {});
}

async function main(args: readonly string[]): Promise<number> {
  let code = 0;
  const program = menuProgram(args);
  try {
    if (holdMoreThanFlags(args, program)) {
      addSubcommands(program, (given) => code = given);
      await checkFirstWord(program, args, (word) => isServer(word, program));
    }
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    // Commander has said already what is wrong with the arguments, or printed the help or the version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
    const exitCode = EXIT_STATUS.find(({ kinds }) => kinds.some((kind) => error instanceof kind))?.code;
    if (exitCode === undefined && error instanceof Error) await printError(error.stack ?? error.message);
    else if (!(error instanceof Interrupt)) await printError(messageOf(error));
    return exitCode ?? FAULT_EXIT_CODE;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
