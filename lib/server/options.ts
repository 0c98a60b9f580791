/**
 * The flags of the server: each with its environment variable and its default, and what they become.
 * @module
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Registration } from "../chat/services.ts";
import { DEFAULT_THROTTLES } from "../chat/throttles.ts";
import { UsageError } from "../errors.ts";
import { DEFAULT_PORT } from "../protocol/limits.ts";
import { DEFAULT_STORE_LIMITS } from "../store/limits.ts";
import { LOG_LEVELS, type LogFormat, type LogLevel } from "./log.ts";
import { DEFAULT_RELAY_LIMITS } from "./relay/relay.ts";

const MIB = 1024 * 1024;

/** What the server is started with; {@linkcode addServeOptions} has the defaults. */
export interface ServeOptions {
  /** Address to listen on; unset means every one, IPv6 and IPv4. */
  readonly host?: string;
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Folder of the database and the key. */
  readonly data: string;
  /** Who may register. */
  readonly registration: Registration;
  /** PEM file of a certificate chain to use in place of the server's own; goes with `key`. */
  readonly cert?: string;
  /** PEM file of its private key. */
  readonly key?: string;
  /** Name or address that people outside reach the server at, for the invite link. */
  readonly publicHost?: string;
  /** Least important line that is logged. */
  readonly logLevel: LogLevel;
  /** Form of the log. */
  readonly logFormat: LogFormat;
  /** Connections at once, in all. */
  readonly maxConnections: number;
  /** Connections at once from one address. */
  readonly maxConnectionsPerAddress: number;
  /** Messages a second that an account may send. */
  readonly sendsPerSecond: number;
  /** Failed logins to an account from an address in 15 minutes. */
  readonly failedLogins: number;
  /** Failed logins from an address in 15 minutes, over all accounts. */
  readonly failedLoginsPerAddress: number;
  /** Registrations from an address in an hour. */
  readonly registrationsPerAddress: number;
  /** Unread messages that a mailbox takes. */
  readonly mailboxMessages: number;
  /** MiB of unread text that a mailbox takes. */
  readonly mailboxMib: number;
  /** Days that read messages are kept. */
  readonly historyDays: number;
  /** MiB of read text kept for an account. */
  readonly historyMib: number;
  /** MiB of direct chats relayed for an account in a day; 0 relays nothing. */
  readonly relayMib: number;
}

/** Adds `--data`, which every subcommand takes. */
export function addDataOption(command: Command): Command {
  return command.addOption(
    flag("--data <dir>", "folder of the database and the key", "DATA").default("./data"),
  );
}

/** What an invite link is made of, besides its join code. */
export type LinkOptions = Pick<ServeOptions, "port" | "publicHost" | "cert" | "key">;

/** Adds the flags that an invite link depends on. */
export function addLinkOptions(command: Command): Command {
  const options = [
    flag("--port <number>", "TCP port; 0 takes a free one", "PORT").default(DEFAULT_PORT).argParser(port),
    flag(
      "--public-host <name>",
      "name or address that others reach this server at, for the invite link",
      "PUBLIC_HOST",
    ),
    flag("--cert <file>", "certificate chain (PEM), in place of the server's own", "CERT"),
    flag("--key <file>", "private key (PEM) of --cert", "KEY"),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/** Adds the flags of a server that serves. */
export function addServeOptions(command: Command): Command {
  addLinkOptions(addDataOption(command));
  const options = [
    flag("--host <address>", "address to listen on (default: every address, IPv4 and IPv6)", "HOST"),
    flag("--registration <who>", "who may register", "REGISTRATION")
      .choices(["open", "invite", "closed"]).default("invite"),
    flag("--log-level <level>", "least important line to log", "LOG_LEVEL").choices([...LOG_LEVELS]).default(
      "info",
    ),
    flag("--log-format <format>", "form of the log", "LOG_FORMAT").choices(["text", "json"]).default("text"),
    count("--max-connections", "connections at once", "MAX_CONNECTIONS", 10_000),
    count(
      "--max-connections-per-address",
      "connections at once from one address",
      "MAX_CONNECTIONS_PER_ADDRESS",
      100,
    ),
    count(
      "--sends-per-second",
      "messages a second from one account",
      "SENDS_PER_SECOND",
      DEFAULT_THROTTLES.sendsPerSecond,
    ),
    count(
      "--failed-logins",
      "failed logins to one account from one address in 15 minutes",
      "FAILED_LOGINS",
      DEFAULT_THROTTLES.failedLoginsPerAccount,
    ),
    count(
      "--failed-logins-per-address",
      "failed logins from one address in 15 minutes",
      "FAILED_LOGINS_PER_ADDRESS",
      DEFAULT_THROTTLES.failedLoginsPerAddress,
    ),
    count(
      "--registrations-per-address",
      "registrations from one address in an hour",
      "REGISTRATIONS_PER_ADDRESS",
      DEFAULT_THROTTLES.registrationsPerAddress,
    ),
    count(
      "--mailbox-messages",
      "unread messages a mailbox takes",
      "MAILBOX_MESSAGES",
      DEFAULT_STORE_LIMITS.mailboxMessages,
    ),
    count(
      "--mailbox-mib",
      "MiB of unread text a mailbox takes",
      "MAILBOX_MIB",
      DEFAULT_STORE_LIMITS.mailboxBytes / MIB,
    ),
    count(
      "--history-days",
      "days that read messages are kept",
      "HISTORY_DAYS",
      DEFAULT_STORE_LIMITS.historyDays,
    ),
    count(
      "--history-mib",
      "MiB of read text kept for an account",
      "HISTORY_MIB",
      DEFAULT_STORE_LIMITS.historyBytes / MIB,
    ),
    flag(
      "--relay-mib <n>",
      "MiB of direct chats relayed for an account in a day; 0 relays nothing",
      "RELAY_MIB",
    ).default(DEFAULT_RELAY_LIMITS.bytesPerDay / MIB).argParser((text) => text === "0" ? 0 : positive(text)),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/**
 * Checks what the flags say together.
 *
 * @throws {UsageError} when `--cert` comes without `--key`, or the other way round.
 */
export function checkServeOptions(options: ServeOptions): ServeOptions {
  if ((options.cert === undefined) !== (options.key === undefined)) {
    const [given, missing] = options.cert === undefined ? ["--key", "--cert"] : ["--cert", "--key"];
    throw new UsageError(`Cannot use ${given} alone: give ${missing} too`);
  }
  return options;
}

function flag(flags: string, description: string, variable: string): Option {
  return new Option(flags, description).env(`MINI_CHAT_${variable}`);
}

function count(name: string, description: string, variable: string, fallback: number): Option {
  return flag(`${name} <n>`, description, variable).default(fallback).argParser(positive);
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError("Give a whole number from 1 up.");
  }
  return value;
}

/** Reads a port number for a flag. Throws commander's `InvalidArgumentError` for anything but 0 to 65535. */
export function port(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) {
    throw new InvalidArgumentError("Give a port from 0 to 65535.");
  }
  return value;
}
