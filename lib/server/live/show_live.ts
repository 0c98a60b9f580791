// What a running server shows of itself to this machine: where it is reached, its control socket, and its metrics.
import type { Log } from "../../chat/services.ts";
import { serveControls } from "./control.ts";
import { LiveFigures } from "./figures.ts";
import { type RunFile, writeRunFile } from "./run_file.ts";
import type { Work } from "../work.ts";

export interface LiveOptions {
  readonly dataFolder: string;
  readonly isShared: boolean; // its database is one that several servers share
  readonly place: Omit<RunFile, "pid" | "startedAt">;
  readonly log: Log;
}

/** Shows it until what this returns is disposed of. */
export async function showLive(work: Work, options: LiveOptions): Promise<AsyncDisposable> {
  const { dataFolder, isShared, place, log } = options;
  const startedAt = Date.now();
  await using opened = new AsyncDisposableStack();
  const figures = opened.use(new LiveFigures(work, { dataFolder, isShared, startedAt }));
  opened.use(await serveControls(dataFolder, { status: () => figures.read() }, log));
  try {
    opened.use(await writeRunFile(dataFolder, { pid: Deno.pid, startedAt, ...place }));
  } catch (error) {
    log.warn("cannot say in the data folder how this server is reached: healthcheck needs --port", { error });
  }
  return opened.move();
}
