/**
 * The real server as a child process, with its throttles out of the way.
 * @module
 */
import { join } from "node:path";
import { CERTIFICATE_FILE } from "../../lib/net/identity.ts";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import type { Target } from "./load.ts";

/** What is out of the way: limits that protect a server from just what a benchmark does. */
const FLAGS = [
  ["--sends-per-second", "1000000000"],
  ["--max-connections", "100000"],
  ["--max-connections-per-address", "100000"],
  ["--failed-logins", "1000000"],
  ["--failed-logins-per-address", "1000000"],
  ["--mailbox-messages", "1000000000"],
  ["--mailbox-mib", "1000000"],
  ["--history-mib", "1000000"],
  ["--log-level", "warning"],
];

/** A server that is measured. */
export interface BenchServer extends AsyncDisposable {
  readonly target: Target;
  readonly pid: number;
  /** Stops it as an operator does, so that another may use its folder. */
  stop(): Promise<void>;
}

/**
 * Starts a server on a data folder.
 *
 * @param env Variables on top of this process's, such as a library to be loaded before all others.
 */
export async function startBenchServer(
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<BenchServer> {
  const server: TestServer = await startServer({ data: folder, args: FLAGS.flat(), env });
  const certificatePem = await Deno.readTextFile(join(folder, CERTIFICATE_FILE));
  return {
    target: { port: server.port, certificatePem },
    pid: server.program.pid,
    async stop() {
      const code = await server.stop();
      if (code !== 0) throw new Error(`The server ended with ${code}:\n${server.program.transcript}`);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
