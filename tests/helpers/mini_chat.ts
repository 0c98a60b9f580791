/**
 * The two real programs of Mini-Chat as child processes.
 *
 * One switch decides what is run: with `MINI_CHAT_TEST_DIST=dist` the executables of that folder, without it the
 * source, with the same permissions as the executables.
 * @module
 */
import { join, resolve } from "node:path";
import { CLIENT_PERMISSIONS, SERVER_PERMISSIONS } from "../../build/permissions.ts";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { Program, type ProgramOptions, type ProgramResult, runProgram } from "./program.ts";

/** Command and first arguments that start one of the programs. */
export interface ProgramCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * How the server is started here: the executable, or Deno with its source.
 *
 * @param entry Another `server.ts`; this project's by default.
 */
export function serverCommand(entry?: string): ProgramCommand {
  return entry === undefined
    ? programCommand("server", SERVER_PERMISSIONS)
    : sourceCommand(entry, SERVER_PERMISSIONS);
}

/** How the client is started here: the executable, or Deno with its source. */
export function clientCommand(): ProgramCommand {
  return programCommand("client", CLIENT_PERMISSIONS);
}

function programCommand(name: string, permissions: readonly string[]): ProgramCommand {
  const folder = Deno.env.get("MINI_CHAT_TEST_DIST");
  if (folder) {
    const suffix = Deno.build.os === "windows" ? ".exe" : "";
    return { command: resolve(PROJECT_FOLDER, folder, `mini-chat-${name}${suffix}`), args: [] };
  }
  return sourceCommand(join(PROJECT_FOLDER, `${name}.ts`), permissions);
}

function sourceCommand(entry: string, permissions: readonly string[]): ProgramCommand {
  return { command: Deno.execPath(), args: ["run", "-q", ...permissions, entry] };
}

/** Runs the server program with these arguments to its end, such as `["check", "--data", folder]`. */
export function runServer(args: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
  const { command, args: first } = serverCommand();
  return runProgram(command, [...first, ...args], options);
}

/** Runs the client program with these arguments to its end, such as `["users", "--json"]`. */
export function runClient(args: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
  const { command, args: first } = clientCommand();
  return runProgram(command, [...first, ...args], options);
}

/** What a program that runs to its end is given. */
export type RunOptions = ProgramOptions & { readonly input?: string };

/** Starts the client program; what it says is waited for by the caller. */
export function startClient(args: readonly string[], options: ProgramOptions = {}): Program {
  const { command, args: first } = clientCommand();
  return new Program(command, [...first, ...args], { name: "client", ...options });
}

/** How a test's server is started. */
export interface TestServerOptions extends ProgramOptions {
  /** Its data folder. */
  readonly data: string;
  /** Port to listen on; a free one by default. */
  readonly port?: number;
  /** Address to listen on; loopback by default. */
  readonly host?: string;
  /** More flags. */
  readonly args?: readonly string[];
  /** Another `server.ts` in place of this project's program. */
  readonly entry?: string;
  /** Command that is run in front of the server's, such as one that enters a network namespace. */
  readonly wrapper?: readonly string[];
}

/** A running server process that accepts connections. Killed when its scope ends. */
export interface TestServer extends AsyncDisposable {
  readonly program: Program;
  /** Its data folder. */
  readonly data: string;
  readonly port: number;
  /** Link to register with. */
  readonly inviteLink: string;
  /** Fingerprint of its key. */
  readonly fingerprint: string;
  /** Sends SIGTERM and returns its exit code; 0 on Windows, where that ends it at once. */
  stop(): Promise<number>;
}

/**
 * Starts a server and waits until it accepts connections.
 *
 * @throws {Error} it ended instead; the message holds what it said.
 */
export async function startServer(options: TestServerOptions): Promise<TestServer> {
  const { data, port = 0, host = "127.0.0.1", args = [], wrapper = [], entry, ...programOptions } = options;
  const { command, args: first } = serverCommand(entry);
  const [outer = command, ...outerArgs] = [...wrapper, command];
  const flags = ["--data", data, "--host", host, "--public-host", host, "--port", String(port), ...args];
  const program = new Program(outer, [...outerArgs, ...first, ...flags], {
    name: "server",
    ...programOptions,
  });
  try {
    const [, fingerprint = ""] = await program.waitForLine(/Fingerprint\s+(SHA256:\S+)/);
    const [, inviteLink = "", seenPort] = await program.waitForLine(/(mini-chat:\/\/\S+?:(\d+)\S*)/);
    return {
      program,
      data,
      port: Number(seenPort),
      inviteLink,
      fingerprint,
      async stop() {
        program.signal("SIGTERM");
        const { code } = await program.waitForExit();
        return Deno.build.os === "windows" && code === 1 ? 0 : code; // there a signal ends it like that
      },
      [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
    };
  } catch (error) {
    await program.kill();
    throw error;
  }
}
