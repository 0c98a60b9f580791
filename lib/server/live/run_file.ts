// `server.run` in the data folder: how the server that runs on it is reached from this machine. It is there from the moment the
// server accepts until it stops; after a crash it stays, until the next start writes it anew. It holds nothing secret.
import { join } from "node:path";

const RUN_FILE = "server.run";

export interface RunFile {
  readonly pid: number;
  readonly startedAt: number; // epoch milliseconds
  readonly host: string; // address that it listens on; `::` and `0.0.0.0` mean every one
  readonly port: number;
  readonly certificatePem: string; // that it shows: the files may have been renewed since it started
  readonly cert?: string; // absolute path, where it is not that of the data folder
  readonly key?: string;
  readonly publicHost?: string;
  readonly maxConnections: number;
  readonly isShared: boolean; // its database is one that several servers share
}

/** Writes the file until what this returns is disposed of. */
export async function writeRunFile(folder: string, content: RunFile): Promise<AsyncDisposable> {
  const path = join(folder, RUN_FILE);
  // Whoever finds half of it takes it for none. Opened anew, so that the mode holds for one that a crash left behind.
  await Deno.remove(path).catch(() => {});
  await Deno.writeTextFile(path, JSON.stringify(content), { mode: 0o600 });
  return { [Symbol.asyncDispose]: () => Deno.remove(path).catch(() => {}) };
}

/** What the file of a running, or crashed, server says; null when there is none that can be read. */
export async function readRunFile(folder: string): Promise<RunFile | null> {
  try {
    const read = JSON.parse(await Deno.readTextFile(join(folder, RUN_FILE)));
    const isWhole = typeof read.pid === "number" && typeof read.host === "string" &&
      typeof read.port === "number" && typeof read.certificatePem === "string";
    return isWhole ? read as RunFile : null;
  } catch {
    return null;
  }
}
