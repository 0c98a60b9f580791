/**
 * Private PostgreSQL clusters in temporary folders, and fresh databases in them.
 *
 * `deno task test` starts one cluster for all tests of a run, where PostgreSQL is installed; tests that kill or cut a database
 * start their own.
 * @module
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { connect, type Connection } from "../../lib/store/postgres/connection.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "../../lib/store/postgres/url.ts";
import type { Need } from "./needs.ts";
import { freePort } from "./ports.ts";
import { Program } from "./program.ts";
import { tempFolder } from "./temp_folder.ts";
import { waitUntil } from "./wait_until.ts";

/** Names the administrator's database of the cluster that the run of tests shares. */
const SHARED = "MINI_CHAT_TEST_POSTGRES";

/** Where Debian keeps each version's programs. */
const DEBIAN_FOLDER = "/usr/lib/postgresql";

const USER = "postgres"; // initdb refuses root

const FOLDER = findPrograms();

/** For `testWith`: PostgreSQL's own programs. */
export const POSTGRES: Need[] = FOLDER === undefined ? [{ because: "needs PostgreSQL's server" }] : [];

/** Folder of `initdb` and `postgres`: Debian's newest version, or what PATH has; undefined where there is none. */
function findPrograms(): string | undefined {
  const onPath = (Deno.env.get("PATH") ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...debianFolders(), ...onPath].find((folder) =>
    existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres"))
  );
}

function debianFolders(): string[] {
  if (!existsSync(DEBIAN_FOLDER)) return [];
  const versions = [...Deno.readDirSync(DEBIAN_FOLDER)].map(({ name }) => Number(name)).filter(Boolean);
  return versions.toSorted((a, b) => b - a).map((version) => join(DEBIAN_FOLDER, String(version), "bin"));
}

/** A program of PostgreSQL, as the user that its files belong to. */
export function asPostgres(name: string, args: readonly string[]): [command: string, args: string[]] {
  return asUser(join(FOLDER!, name), args);
}

/** A command that may not run as root. */
export function asUser(command: string, args: readonly string[]): [command: string, args: string[]] {
  if (Deno.uid() !== 0) return [command, [...args]];
  return ["setpriv", [`--reuid=${USER}`, `--regid=${USER}`, "--init-groups", command, ...args]];
}

/** How a cluster runs. */
export interface ClusterOptions {
  /** Settings on top of PostgreSQL's own, such as `{ synchronous_commit: "off" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Port on loopback; a free one by default. */
  readonly port?: number;
}

/** A running cluster; disposing of it removes all that it holds. Every loopback address leads to it, and one Unix socket. */
export class PostgresCluster implements AsyncDisposable {
  /** Folder of its files. */
  readonly folder: string;
  /** Port on loopback. */
  readonly port: number;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #temporary = tempFolder("mini-chat-postgres-");
  readonly #caretaker = startCaretaker(this.#temporary.path);
  #program: Program | null = null;
  #databases = 0;

  private constructor({ settings = {}, port = freePort() }: ClusterOptions) {
    this.folder = join(this.#temporary.path, "data");
    this.port = port;
    this.#settings = settings;
  }

  /** Makes a cluster and starts it. */
  static start(options: ClusterOptions = {}): Promise<PostgresCluster> {
    return PostgresCluster.#make(options, "initdb", (folder) => [
      ...["--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8", "--locale=C"],
      ...["--username", USER, "--pgdata", folder],
    ]);
  }

  static async #make(
    options: ClusterOptions,
    maker: string,
    argumentsFor: (folder: string) => string[],
  ): Promise<PostgresCluster> {
    const cluster = new PostgresCluster(options);
    try {
      if (Deno.uid() === 0) await run("chown", [USER, cluster.#temporary.path]);
      await run(...asPostgres(maker, argumentsFor(cluster.folder)));
      await cluster.restart();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Starts a copy that follows this cluster. From then on this cluster confirms a commit only once the copy has it on its disk
   * too: without the copy, commits wait.
   */
  async startStandby(options: ClusterOptions = {}): Promise<PostgresCluster> {
    const standby = await PostgresCluster.#make(options, "pg_basebackup", (folder) => [
      ...[
        "--no-sync",
        "--checkpoint=fast",
        "--wal-method=stream",
        "--write-recovery-conf",
        "--pgdata",
        folder,
      ],
      ...["--host", "127.0.0.1", "--port", String(this.port), "--username", USER],
    ]);
    await this.query(
      "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'",
      "SELECT pg_reload_conf()",
    );
    await waitUntil("the standby confirms commits", async () => {
      const rows = await this.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'quorum'");
      return rows.length > 0;
    });
    return standby;
  }

  /** Makes this standby the cluster that takes writes; resolves when it does. Its commits wait for nobody. */
  async promote(): Promise<void> {
    await run(...asPostgres("pg_ctl", ["promote", "--wait", "--pgdata", this.folder]));
    // A copy of a cluster that waits for copies would wait for its own.
    await this.query("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()");
  }

  /** URL of the database in which nothing is kept. */
  get adminUrl(): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/postgres`;
  }

  /** Runs statements in the database in which nothing is kept, over the Unix socket; the rows of the last one. */
  async query(...statements: readonly string[]): Promise<Record<string, unknown>[]> {
    const socket = encodeURIComponent(this.#temporary.path);
    const connection = await lookAt(`postgres://${USER}@/postgres?host=${socket}&port=${this.port}`);
    try {
      let rows: Record<string, unknown>[] = [];
      for (const sql of statements) rows = await connection.rows(sql);
      return rows;
    } finally {
      await connection.close();
    }
  }

  /** Makes an empty database, and gives its URL over the Unix socket, which is reached from every network namespace. */
  async newSocketDatabase(): Promise<string> {
    const name = `test_socket_${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    return `postgres://${USER}@/${name}?host=${encodeURIComponent(this.#temporary.path)}&port=${this.port}`;
  }

  /** Process id of its first process. */
  get pid(): number {
    return this.#program!.pid;
  }

  /** Process ids of all that runs for it now: of the first alone where the system does not say. */
  async processes(): Promise<number[]> {
    return [this.pid, ...await childrenOf(this.pid)];
  }

  /** Starts it again; it has to have ended. Resolves when it accepts connections. */
  async restart(): Promise<void> {
    const settings = {
      listen_addresses: "0.0.0.0", // every loopback address: pg_hba.conf lets nobody else in
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
    // The system's list of children leaves some out while others come and go: one that lives on would carry news on for a while.
    this.#program!.signal("SIGSTOP");
    const all = await this.processes();
    for (const pid of all) killNow(pid);
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
    this.#program?.signal("SIGQUIT"); // at once: nothing of it is needed any more
    await this.#program?.waitForExit();
    await this.#caretaker.stdin.close();
    await this.#caretaker.status;
  }
}

/** Ends the cluster and removes its folder as soon as our end of its input is closed, even by our being killed. */
const CARETAKER = `
  trap '' INT TERM HUP
  cat >/dev/null
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && while kill -0 "$pid"; do sleep 0.1; done
  rm -rf "$1"`;

function startCaretaker(folder: string): Deno.ChildProcess {
  const io = { stdin: "piped", stdout: "null", stderr: "null" } as const;
  return new Deno.Command("sh", { args: ["-c", CARETAKER, "sh", folder], ...io }).spawn();
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
  if (FOLDER === undefined) return null;
  // Nobody cuts its power: a test's database takes 60 ms instead of 170.
  const cluster = await PostgresCluster.start({ settings: { fsync: "off" } });
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
  // Deno itself may look there only with every permission.
  const { stdout } = await new Deno.Command("cat", {
    args: [`/proc/${pid}/task/${pid}/children`],
    stdin: "null",
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).split(" ").filter((word) => word.trim() !== "").map(Number);
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
