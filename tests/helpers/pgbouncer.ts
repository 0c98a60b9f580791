/**
 * A real pgbouncer in front of a private cluster: the kind of pooler that swallows NOTIFY.
 * @module
 */
import { join } from "node:path";
import { freePort } from "./ports.ts";
import { asUser } from "./postgres.ts";
import { Program } from "./program.ts";
import { tempFolder } from "./temp_folder.ts";

/** A running pgbouncer; disposing of it ends it. */
export interface TestPgBouncer extends AsyncDisposable {
  /** URL of the same database, by way of the pooler. */
  readonly url: string;
}

/**
 * Starts a pooler that gives each transaction whichever connection is free.
 *
 * @param url Of a database from `newDatabase` of `postgres.ts`.
 */
export async function startPgBouncer(url: string): Promise<TestPgBouncer> {
  const { hostname, port, username, pathname } = new URL(url);
  const folder = tempFolder("mini-chat-pgbouncer-");
  const listenPort = freePort();
  const config = join(folder.path, "pgbouncer.ini");
  await Deno.chmod(folder.path, 0o755); // it does not run as root
  await Deno.writeTextFile(
    config,
    `[databases]
* = host=${hostname} port=${port} user=${username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
`,
  );
  const program = new Program(...asUser("pgbouncer", [config]), { name: "pgbouncer" });
  const self = {
    url: `postgres://${username}@127.0.0.1:${listenPort}${pathname}`,
    async [Symbol.asyncDispose]() {
      await program.kill();
      folder[Symbol.dispose]();
    },
  };
  try {
    await program.waitForLine(/process up/);
    return self;
  } catch (error) {
    await self[Symbol.asyncDispose]();
    throw error;
  }
}
