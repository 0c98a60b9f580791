/**
 * One server that is tortured: it is killed, stopped and started again, each time at the same port.
 * @module
 */
import { join } from "node:path";
import type { Target } from "../bench/load.ts";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import { FaultControl } from "./fault_shim.ts";

/** File descriptors that a server may have: what many systems give, enough for all, and few enough to use them up. */
export const SERVER_DESCRIPTORS = 1_024;

const FLAGS = ["--log-level", "warning", "--max-connections-per-address", "5000"];

/** What a server is started with. */
export interface ServerProcessOptions {
  /** Folder of its data, or of its key alone. */
  readonly data: string;
  /** URL of the database, where it has no file of its own. */
  readonly database?: string;
  /** A library to load before all others, see `fault_shim.ts`. */
  readonly shim?: string;
  /** Folder for what controls the library. */
  readonly controlIn: string;
}

/** A server. */
export class ServerProcess implements AsyncDisposable {
  readonly data: string;
  /** Where callers reach it. */
  readonly target: Target;
  /** Its disk and its clock, where the library could be made. */
  readonly control: FaultControl | undefined;
  readonly #options: ServerProcessOptions;
  #server: TestServer;
  #entry: string | undefined; // of another release
  #log = ""; // of its lives before the present one

  private constructor(
    options: ServerProcessOptions,
    { server, target, control }: { server: TestServer; target: Target; control: FaultControl | undefined },
  ) {
    this.data = options.data;
    this.target = target;
    this.control = control;
    this.#options = options;
    this.#server = server;
  }

  /** Starts it, on a free port. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const control = options.shim === undefined ? undefined : FaultControl.create(options.controlIn);
    const server = await launch(options, control, 0);
    const certificatePem = await Deno.readTextFile(join(options.data, "server.crt"));
    return new ServerProcess(options, { server, control, target: { port: server.port, certificatePem } });
  }

  /** Process id of its present life. */
  get pid(): number {
    return this.#server.program.pid;
  }

  /** What it wrote to its log in its present life, or its last. */
  get presentLog(): string {
    return this.#server.program.stderr;
  }

  /** What it wrote to its log in all its lives. */
  get log(): string {
    return this.#log + this.#server.program.stderr;
  }

  /** Sends it a signal. */
  signal(signal: Deno.Signal): void {
    this.#server.program.signal(signal);
  }

  /** Kills it. */
  async kill(): Promise<void> {
    await this.#server.program.kill();
  }

  /** Stops it as an operator does; gives its exit code. */
  stop(): Promise<number> {
    return this.#server.stop();
  }

  /** Whether it is of another release than this one. */
  get isOther(): boolean {
    return this.#entry !== undefined;
  }

  /** Starts it again, once it has ended. */
  async startAgain(): Promise<void> {
    this.#log = this.log;
    this.#server = await launch(this.#options, this.control, this.target.port, this.#entry);
  }

  /** Stops it, and starts another release in its place: a `server.ts`, or this release where undefined. */
  async replaceBy(entry: string | undefined): Promise<number> {
    const code = await this.stop();
    this.#entry = entry;
    await this.startAgain();
    return code;
  }

  /** Kills it for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    this.control?.[Symbol.dispose]();
  }
}

function launch(
  { data, database, shim }: ServerProcessOptions,
  control: FaultControl | undefined,
  port: number,
  entry?: string,
): Promise<TestServer> {
  return startServer({
    ...(entry === undefined ? {} : { entry }),
    data,
    port,
    args: FLAGS,
    wrapper: ["sh", "-c", `ulimit -n ${SERVER_DESCRIPTORS}; exec "$@"`, "sh"],
    env: {
      ...(shim === undefined ? {} : control?.env(shim)),
      ...(database === undefined ? {} : { MINI_CHAT_DATABASE: database }),
    },
  });
}
