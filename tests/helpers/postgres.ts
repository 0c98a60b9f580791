/**
 * Private PostgreSQL clusters in temporary folders, and fresh databases in them.
 *
 * `deno task test` starts one cluster for all tests of a run, where PostgreSQL is installed; tests that kill or cut a database
 * start their own.
 * @module
 */
import { join } from "node:path";
import { connect, type Connection } from "../../lib/store/postgres/connection.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "../../lib/store/postgres/url.ts";
import type { Need } from "./needs.ts";
import { freePort } from "./ports.ts";
import { Program } from "./program.ts";
import { tempFolder } from "./temp_folder.ts";

/** Names the administrator's database of the cluster that the run of tests shares. */
const SHARED = "MINI_CHAT_TEST_POSTGRES";

/** Where Debian keeps each version's programs. */
const DEBIAN_FOLDER = "/usr/lib/postgresql";

const USER = "postgres"; // initdb refuses root

/** For `testWith`: PostgreSQL's own programs. */
export const POSTGRES: Need[] = postgresFolder() === null ? [{ because: "needs PostgreSQL" }] : [];

/** Folder of `initdb` and `postgres`, of the newest version that is installed; null where there is none. */
export function postgresFolder(): string | null {
  try {
    const versions = [...Deno.readDirSync(DEBIAN_FOLDER)].map(({ name }) => Number(name)).filter(Boolean);
    const newest = versions.toSorted((a, b) => b - a)[0];
    return newest === undefined ? null : join(DEBIAN_FOLDER, String(newest), "bin");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** A program of PostgreSQL, as the user that its files belong to. */
export function asPostgres(name: string, args: readonly string[]): [command: string, args: string[]] {
  const path = join(postgresFolder()!, name);
  if (Deno.uid() !== 0) return [path, [...args]];
  return ["setpriv", [`--reuid=${USER}`, `--regid=${USER}`, "--init-groups", path, ...args]];
}

/** How a cluster runs. */
export interface ClusterOptions {
  /** Settings on top of PostgreSQL's own. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A running cluster; disposing of it removes all that it holds. */
export class PostgresCluster implements AsyncDisposable {
  /** Folder of its files. */
  readonly folder: string;
  /** Port on loopback. */
  readonly port: number = freePort();
  readonly #settings: Readonly<Record<string, string>>;
  readonly #temporary = tempFolder("mini-chat-postgres-");
  #program: Program | null = null;
  #databases = 0;

  private constructor({ settings = {} }: ClusterOptions) {
    this.folder = join(this.#temporary.path, "data");
    this.#settings = settings;
  }

  /** Makes a cluster and starts it. */
  static async start(options: ClusterOptions = {}): Promise<PostgresCluster> {
    const cluster = new PostgresCluster(options);
    const parent = cluster.#temporary.path;
    if (Deno.uid() === 0) await run("chown", [USER, parent]);
    await run(...asPostgres("initdb", [
      ...["--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8", "--locale=C"],
      ...["--username", USER, "--pgdata", cluster.folder],
    ]));
    await cluster.restart();
    return cluster;
  }

  /** URL of the database in which nothing is kept. */
  get adminUrl(): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/postgres`;
  }

  /** Process id of its first process. */
  get pid(): number {
    return this.#program!.pid;
  }

  /** Starts it again; it has to have ended. Resolves when it accepts connections. */
  async restart(): Promise<void> {
    const settings = {
      listen_addresses: "127.0.0.1",
      port: String(this.port),
      unix_socket_directories: this.#temporary.path,
      max_connections: "200",
      shared_buffers: "64MB",
      log_min_messages: "log",
      ...this.#settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    this.#program = new Program(...asPostgres("postgres", ["-D", this.folder, ...flags]), {
      name: "postgres",
    });
    await this.#program.waitForLine(/ready to accept (read-only )?connections/);
  }

  /** Kills it as a crash does; resolves when all of its processes are gone. */
  async kill(): Promise<void> {
    const children = await childrenOf(this.pid);
    this.#program!.signal("SIGKILL");
    for (const pid of children) killNow(pid);
    await this.#program!.waitForExit();
  }

  /** Stops it at once but cleanly. */
  async stop(): Promise<void> {
    this.#program!.signal("SIGINT");
    await this.#program!.waitForExit();
  }

  /** Makes an empty database, and gives its URL. */
  newDatabase(): Promise<string> {
    return makeDatabase(this.adminUrl, `test_${Deno.pid}_${++this.#databases}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#program && !this.#program.hasEnded) await this.stop();
    this.#temporary[Symbol.dispose]();
  }
}

let databases = 0;

/** Makes an empty database in the cluster that the run of tests shares, and gives its URL. */
export function newDatabase(): Promise<string> {
  const admin = Deno.env.get(SHARED);
  if (!admin) throw new Error(`No cluster: start the tests with deno task test, which sets ${SHARED}`);
  return makeDatabase(admin, `test_${Deno.pid}_${crypto.randomUUID().slice(0, 8)}_${++databases}`);
}

/** Starts the cluster that tests share, and tells them of it; null where PostgreSQL is not installed. */
export async function startSharedCluster(): Promise<AsyncDisposable | null> {
  if (postgresFolder() === null) return null;
  const cluster = await PostgresCluster.start();
  Deno.env.set(SHARED, cluster.adminUrl);
  return cluster;
}

/** A connection for looking at a database from outside. */
export function lookAt(url: string | DatabaseUrl): Promise<Connection> {
  return connect(typeof url === "string" ? parseDatabaseUrl(url) : url, { name: "a test" });
}

async function makeDatabase(admin: string, name: string): Promise<string> {
  const connection = await lookAt(admin);
  try {
    await connection.query({ sql: `CREATE DATABASE ${name}` });
  } finally {
    await connection.close();
  }
  return admin.replace(/\/postgres$/, `/${name}`);
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
  return text.split(" ").filter((word) => word !== "").map(Number);
}

function killNow(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args], stdin: "null" }).output();
  if (!success) throw new Error(`${command} failed:\n${new TextDecoder().decode(stderr)}`);
}
