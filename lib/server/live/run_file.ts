// `server.run` in the data folder: how the server that runs on it is reached from this machine. It is there from the moment the
// server accepts until it stops; after a crash it stays, until the next start writes it anew. It holds nothing secret.
import { join } from "node:path";

export const RUN_FILE = "server.run";

export interface RunFile {
  readonly pid: number;
  readonly startedAt: number; // epoch milliseconds
  readonly host: string; // address that it listens on; `::` and `0.0.0.0` mean every one
  readonly port: number;
  readonly certificatePem: string; // that it shows: the files may have been renewed since it started
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
    const { pid, startedAt, host, port, certificatePem } = JSON.parse(
      await Deno.readTextFile(join(folder, RUN_FILE)),
    ) as Record<string, unknown>;
    const isWhole = typeof pid === "number" && typeof startedAt === "number" && typeof host === "string" &&
      typeof port === "number" && typeof certificatePem === "string";
    return isWhole ? { pid, startedAt, host, port, certificatePem } : null;
  } catch {
    return null;
  }
}
