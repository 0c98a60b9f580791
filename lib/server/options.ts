// The flags of the server: each with its default, and what they become. Each may also stand in a `MINI_CHAT_…` variable.
import { type Command, InvalidArgumentError, Option } from "commander";
import { formatHostAndPort, isPort, parseHostAndPort, scopeOf } from "../addresses.ts";
import type { Registration } from "../chat/services.ts";
import { DEFAULT_THROTTLES } from "../chat/limits.ts";
import { systemReasonOf, UsageError } from "../errors.ts";
import { parseHostAndPort as parseServer } from "../protocol/invite_link.ts";
import { DEFAULT_PORT } from "../protocol/limits.ts";
import { DEFAULT_STORE_LIMITS } from "../store/limits.ts";
import { LOG_LEVELS, type LogFormat, type LogLevel } from "./log.ts";
import { DEFAULT_RELAY_LIMITS } from "./relay/limits.ts";

export const DEFAULT_MAX_CONNECTIONS = 10_000;

export const MIB = 1024 * 1024;

/** What the server is started with; {@linkcode addServeOptions} has the defaults, and says more of each. */
export interface ServeOptions {
  readonly host?: string; // unset: every address, IPv6 and IPv4
  readonly port: number; // 0: a free one
  readonly data: string;
  readonly database?: string; // unset: SQLite in `data`
  readonly databaseFile?: string;
  readonly relayAddress?: string;
  readonly registration: Registration;
  readonly cert?: string; // PEM file; goes with `key`
  readonly key?: string;
  readonly newKey?: boolean;
  readonly publicHost?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly sendsPerSecond: number;
  readonly failedLogins: number;
  readonly failedLoginsPerAddress: number;
  readonly registrationsPerAddress: number;
  readonly mailboxMessages: number;
  readonly mailboxMib: number;
  readonly historyDays: number;
  readonly historyMib: number;
  readonly relayMib: number;
  readonly metrics?: string; // host and port; none when unset
  readonly metricsPublic?: boolean;
}

export function addDataOption(command: Command): Command {
  return addDatabaseOptions(addFolderOption(command));
}

/** For what needs the folder alone, not the database. */
export function addFolderOption(command: Command): Command {
  return command.addOption(flag("--data <dir>", "folder of the database and the key").default("./data"));
}

export function addDatabaseOptions(command: Command): Command {
  return addAll(command, [
    flag(
      "--database <url>",
      "postgres://USER@HOST/DATABASE, which several servers share",
    ).default(undefined, "a file in --data"),
    flag("--database-file <file>", "file with that URL, for one with a password"),
  ]);
}

/**
 * The URL of the database that several servers share; undefined when the server keeps its own file.
 * @throws {UsageError} Two are given, one has a password where others can read it, or the file cannot be read.
 */
export async function databaseUrlOf(command: Command): Promise<string | undefined> {
  const { database, databaseFile } = command.opts<Pick<ServeOptions, "database" | "databaseFile">>();
  if (databaseFile === undefined) {
    if (database === undefined || command.getOptionValueSource("database") !== "cli") return database;
    return withoutPassword(database);
  }
  if (database !== undefined) {
    throw new UsageError("Cannot use --database and --database-file together: give one");
  }
  try {
    return (await Deno.readTextFile(databaseFile)).trim();
  } catch (cause) {
    throw new UsageError(`Cannot read --database-file ${databaseFile}: ${systemReasonOf(cause)}`, { cause });
  }
}

/** A database URL of the command line. @throws {UsageError} It has a password in it. */
export function withoutPassword(url: string): string {
  if (!/^\w+:\/\/[^?]*:[^/?]*@/.test(url)) return url;
  throw new UsageError(
    "Cannot take a password on the command line, where every user of this machine can read it: put the URL into the " +
      "variable MINI_CHAT_DATABASE, or into a file that --database-file names",
  );
}

/** What an invite link is made of, besides its join code, if not as the running server has it. */
export type LinkOptions = Partial<Pick<ServeOptions, "port" | "publicHost" | "cert" | "key">>;

export function addLinkOptions(command: Command): Command {
  return addAll(command, [
    flag(
      "--port <number>",
      "TCP port that the link names",
    )
      .default(undefined, `the running server's, or ${DEFAULT_PORT}`).argParser(port),
    flag("--public-host <name>", "host name or address that it names")
      .default(undefined, "the running server's").argParser(hostAlone),
    ...keyFlags(),
  ]);
}

/** Where the key is, if not in the data folder. */
export type KeyOptions = Pick<ServeOptions, "cert" | "key">;

export function addKeyOptions(command: Command): Command {
  return addAll(command, keyFlags());
}

/** Where a running server is called, if not where its data folder says. */
export interface ReachOptions {
  readonly host?: string;
  readonly port?: number; // 0 as unset
  readonly cert?: string;
}

export function addReachOptions(command: Command): Command {
  return addAll(command, [
    flag("--host <address>", "address to call it at").default(
      undefined,
      "as its data folder says, by loopback",
    ),
    flag("--port <number>", "its TCP port").default(undefined, "as its data folder says").argParser(port),
    flag("--cert <file>", "certificate it has to show").default(undefined, "as its data folder says"),
  ]);
}

/** What `doctor` is told of a server that does not run; of one that does, it knows. */
export interface DoctorOptions extends ReachOptions {
  readonly key?: string;
  readonly publicHost?: string;
  readonly maxConnections?: number;
}

export function addDoctorOptions(command: Command): Command {
  return addAll(command, [
    flag("--host <address>", "address that the server listens on, if none runs"),
    flag("--port <number>", "its TCP port, if none runs").argParser(port),
    flag("--public-host <name>", "host name or address that its links name, if none runs")
      .argParser(hostAlone),
    ...keyFlags(),
    flag("--max-connections <n>", "connections at once, if none runs").argParser(wholeNumber),
  ]);
}

function keyFlags(): Option[] {
  return [
    flag("--cert <file>", "certificate chain (PEM) to use instead of the server's own"),
    flag("--key <file>", "private key (PEM) of --cert"),
  ];
}

export function addServeOptions(command: Command): Command {
  const { sendsPerSecond, failedLoginsPerAccount, failedLoginsPerAddress, registrationsPerAddress } =
    DEFAULT_THROTTLES;
  const { mailboxMessages, mailboxBytes, historyDays, historyBytes } = DEFAULT_STORE_LIMITS;
  const relayMib = DEFAULT_RELAY_LIMITS.bytesPerDay / MIB;
  const wholeOrNone = (text: string) => text === "0" ? 0 : wholeNumber(text);
  return addAll(addDataOption(command), [
    flag("--port <number>", "TCP port; 0 picks a free one").default(DEFAULT_PORT).argParser(port),
    flag("--public-host <name>", "host name or address that the invite link names").argParser(hostAlone),
    ...keyFlags(),
    // No variable for it: it is for one start, and may not lie about until the key is lost another time.
    new Option("--new-key", "make a new key for a database whose key is lost; every client is warned"),
    flag("--host <address>", "address to listen on").default(undefined, "every address, IPv4 and IPv6"),
    flag("--relay-address <host:port>", "where the other servers of a shared database reach this one")
      .argParser((text) => hostAndPort(text, 1)),
    flag("--registration <who>", "who may register").choices(["open", "invite", "closed"]).default("invite"),
    flag("--log-level <level>", "lowest level to log").choices([...LOG_LEVELS]).default("info"),
    flag("--log-format <format>", "format of the log").choices(["text", "json"]).default("text"),
    count("--max-connections", "connections at once", DEFAULT_MAX_CONNECTIONS),
    count("--max-connections-per-address", "connections at once from one address", 100),
    count("--sends-per-second", "messages per second from one account, on each server", sendsPerSecond),
    count("--failed-logins", "failed logins per account and address in 15 minutes", failedLoginsPerAccount),
    count("--failed-logins-per-address", "failed logins per address in 15 minutes", failedLoginsPerAddress),
    count("--registrations-per-address", "registrations per address in an hour", registrationsPerAddress),
    count("--mailbox-messages", "unread messages in a mailbox", mailboxMessages),
    count("--mailbox-mib", "MiB of unread text in a mailbox", mailboxBytes / MIB),
    count("--history-days", "days that read messages are kept", historyDays),
    count("--history-mib", "MiB of read text kept per account", historyBytes / MIB),
    flag("--relay-mib <n>", "MiB of direct chats relayed per account and day; 0 turns the relay off")
      .default(relayMib).argParser(wholeOrNone),
    flag("--metrics <host:port>", "where to show metrics (OpenMetrics) and /healthz, such as 127.0.0.1:9667")
      .argParser((text) => hostAndPort(text, 0)),
    flag("--metrics-public", "lets --metrics be an address that other machines reach"),
  ]);
}

type TogetherOptions = KeyOptions & Pick<ServeOptions, "metrics" | "metricsPublic" | "newKey">;

/**
 * Checks what the flags say together.
 * @throws {UsageError} `--cert` comes without `--key`, or the other way round, or with `--new-key`; metrics would be shown to
 * other machines.
 */
export function checkServeOptions<Options extends TogetherOptions>(options: Options): Options {
  const metrics = options.metrics === undefined ? null : parseHostAndPort(options.metrics, 0);
  if (metrics && !isLoopback(metrics.host) && options.metricsPublic !== true) {
    throw new UsageError(
      `Cannot show metrics on ${options.metrics}, where other machines may read them: use 127.0.0.1, or add --metrics-public`,
    );
  }
  if ((options.cert === undefined) !== (options.key === undefined)) {
    const [given, missing] = options.cert === undefined ? ["--key", "--cert"] : ["--cert", "--key"];
    throw new UsageError(`Cannot use ${given} alone: give ${missing} too`);
  }
  if (options.newKey && options.cert !== undefined) {
    throw new UsageError("Cannot use --new-key together with --cert and --key: the server has a key then");
  }
  return options;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || scopeOf(host) === "loopback";
}

/** Reads a whole number from 1 up, for a flag. Throws commander's `InvalidArgumentError` for anything else. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Give a whole number from 1 up.");
}

const UNITS_MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 24 * 3_600_000,
  w: 7 * 24 * 3_600_000,
};

const LONGEST_MS = 3_650 * 24 * 3_600_000;

/** Reads a length of time such as `30m`, `12h`, `7d` or `2w`, for a flag; in milliseconds. */
export function lengthOfTime(text: string): number {
  const [, number, unit = ""] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS_MS[unit] ?? NaN);
  if (ms > 0 && ms <= LONGEST_MS) return ms;
  throw new InvalidArgumentError("Give a length of time such as 30m, 12h, 7d or 2w, of 3650d at most.");
}

function hostAndPort(text: string, leastPort: number): string {
  if (parseHostAndPort(text, leastPort)) return text;
  throw new InvalidArgumentError("Give a host and a port, such as 192.0.2.7:7667.");
}

/** A host as links have it: whoever gets a link with anything else in it cannot use it. */
function hostAlone(text: string): string {
  const bare = text.trim().replace(/^\[(.*)\]$/, "$1");
  try {
    return parseServer(formatHostAndPort(bare, DEFAULT_PORT)).host;
  } catch {
    throw new InvalidArgumentError(
      "Give a name or an address alone, such as chat.example.org; the link has the port of --port.",
    );
  }
}

function port(text: string): number {
  if (isPort(text, 0)) return Number(text);
  throw new InvalidArgumentError("Give a port from 0 to 65535.");
}

function flag(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.env(`MINI_CHAT_${option.name().replaceAll("-", "_").toUpperCase()}`);
}

function count(name: string, description: string, fallback: number): Option {
  return flag(`${name} <n>`, description).default(fallback).argParser(wholeNumber);
}

function addAll(command: Command, options: readonly Option[]): Command {
  for (const option of options) command.addOption(option);
  return command;
}
