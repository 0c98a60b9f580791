/**
 * The server program: `mini-chat-server` serves; its subcommands look after accounts, invites and the database.
 *
 * From source: `deno task server --help`.
 * @module
 */
import { Command, CommanderError } from "commander";
import { ChatError, messageOf, OutputError, UsageError } from "./lib/errors.ts";
import {
  addHelpCommand,
  checkFirstWord,
  holdMoreThanFlags,
  prepareProgram,
} from "./lib/commands/command_line.ts";
import { formatHostAndPort } from "./lib/addresses.ts";
import { startLog, stopLog } from "./lib/server/log.ts";
import {
  addServeOptions,
  checkServeOptions,
  databaseUrlOf,
  type ServeOptions,
} from "./lib/server/options.ts";
import { type RunningServer, serve } from "./lib/server/serve.ts";
import type { ServiceManager } from "./lib/server/service_manager.ts";
import type { Log } from "./lib/chat/services.ts";
import { Interrupt } from "./lib/terminal/read_line.ts";
import type { Terminal } from "./lib/terminal/terminal.ts";
import { VERSION } from "./lib/version.ts";

/** Exit codes: done; refused or failed; wrong usage; Ctrl+C at a question. */
const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** What each exit code says, for the manual page. */
export const EXIT_STATUS: readonly { readonly code: number; readonly meaning: string }[] = [
  { code: EXIT.done, meaning: "done; a server was stopped" },
  { code: EXIT.failed, meaning: "refused, or something went wrong" },
  { code: EXIT.usage, meaning: "wrong usage" },
  { code: EXIT.interrupted, meaning: "stopped by Ctrl+C" },
];

/** Failures of disk and system that nobody has put into words: which file it is, they mostly say. */
const OF_THE_SYSTEM = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "EACCES", "EPERM", "EMFILE", "ENFILE"];

/** What is printed once the server accepts. */
function greeting(server: RunningServer, options: ServeOptions): string {
  const who = {
    open: "anyone who finds it may register",
    invite: "anyone with this link may register",
    closed: "",
  };
  const reach = server.addresses.map((address) => formatHostAndPort(address, server.port)).join(", ");
  return [
    `Mini-Chat server ${VERSION}, data in ${server.dataFolder}`,
    `  Address      ${reach}`,
    `  Fingerprint  ${server.fingerprint}`,
    `  Invite link  ${server.inviteLink}`,
    who[options.registration] && `               (${who[options.registration]})`,
    options.publicHost === undefined &&
    `  To be reached from outside your network: forward TCP port ${server.port} to this machine, and start with --public-host NAME.`,
    "  Stop with Ctrl+C.",
  ].filter(Boolean).join("\n");
}

async function run(
  options: ServeOptions,
  databaseUrl: string | undefined,
  openTerminal: () => Promise<Terminal>,
): Promise<void> {
  // Before the first caller can get in: whoever stops a server that has just started gets a clean stop too.
  using stop = listenForStop();
  {
    const log = await startLog(options.logLevel, options.logFormat);
    using manager = await findServiceManager(log);
    await using server = await serve(checkServeOptions(options), log, { databaseUrl });
    await manager?.ready(`Serving on port ${server.port}`, () => server.reachStore());
    const terminal = await openTerminal();
    await terminal.print(greeting(server, options));
    await Promise.race([stop.received, server.failed]);
    await manager?.stopping();
  }
  await stopLog();
}

/** The service manager that started this server; undefined where a person or a script did. */
async function findServiceManager(log: Log): Promise<ServiceManager | undefined> {
  const socket = Deno.env.get("NOTIFY_SOCKET");
  if (!socket) return undefined;
  const { ServiceManager } = await import("./lib/server/service_manager.ts");
  const watchdogUsec = Deno.env.get("WATCHDOG_USEC");
  return new ServiceManager({ socket, watchdogUsec, watchdogPid: Deno.env.get("WATCHDOG_PID") }, log);
}

/** Listens for the signals by which a server is asked to stop; `received` resolves at the first of them. */
function listenForStop(): Disposable & { readonly received: Promise<void> } {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  const { promise: received, resolve } = Promise.withResolvers<void>();
  for (const signal of signals) Deno.addSignalListener(signal, resolve);
  return {
    received,
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, resolve);
    },
  };
}

/** The program without its subcommands, which does nothing but serve. */
function servingProgram(openTerminal: () => Promise<Terminal>, args: readonly string[]): Command {
  const program = prepareProgram(new Command("mini-chat-server"), args)
    .description("A chat server in one file: accounts, mailboxes, presence. Without arguments, it serves.");
  return addServeOptions(program).action(async (options: ServeOptions) =>
    await run(options, await databaseUrlOf(program), openTerminal)
  );
}

/** Loads and adds all of them: a server that only serves starts without. */
async function addSubcommands(program: Command, openTerminal: () => Promise<Terminal>): Promise<Command> {
  const [{ addAdminCommands }, { addCompletionCommands }] = await Promise.all([
    import("./lib/server/admin.ts"),
    import("./lib/completion/program.ts"),
  ]);
  const readVariable = (name: string) => Deno.env.get(name);
  addHelpCommand(program);
  addAdminCommands(program, openTerminal, readVariable);
  addCompletionCommands(program, {
    sources: async () => (await import("./lib/server/known_words.ts")).KNOWN_WORDS,
    readVariable,
  });
  return program;
}

/** The command tree. `openTerminal` gives the terminal that a subcommand speaks with. */
export async function serverProgram(openTerminal: () => Promise<Terminal>): Promise<Command> {
  return await addSubcommands(servingProgram(openTerminal, []), openTerminal);
}

async function main(args: readonly string[]): Promise<number> {
  await using opened = new AsyncDisposableStack();
  // Loaded when there is something to say: a server accepts before that.
  const openTerminal = async () => {
    const { Terminal } = await import("./lib/terminal/terminal.ts");
    return opened.use(
      new Terminal({ term: Deno.env.get("TERM"), noColor: Deno.env.get("NO_COLOR"), echoesPipe: false }),
    );
  };
  const program = servingProgram(openTerminal, args);
  try {
    if (holdMoreThanFlags(args, program)) {
      await addSubcommands(program, openTerminal);
      await checkFirstWord(program, args, () => Promise.resolve(false));
    }
    await program.parseAsync(args, { from: "user" });
    return EXIT.done;
  } catch (error) {
    // Commander has said already what is wrong with the arguments, or printed the help or the version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    await opened.disposeAsync();
    if (error instanceof Interrupt) return EXIT.interrupted;
    const isOurs = ![UsageError, ChatError, OutputError].some((kind) => error instanceof kind);
    const isOfSystem = OF_THE_SYSTEM.includes(String((error as { code?: unknown }).code));
    const shown = isOfSystem
      ? `Cannot go on: ${messageOf(error)}`
      : isOurs && error instanceof Error
      ? error.stack ?? error.message
      : messageOf(error);
    // The exit code says it too, where nobody takes the words.
    await Deno.stderr.write(new TextEncoder().encode(`${shown}\n`)).catch(() => {});
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
