// What a running server shows of itself to this machine: where it is reached, its control socket, and its metrics.
import type { Log } from "../../chat/services.ts";
import { parseHostAndPort } from "../../addresses.ts";
import { serveControls } from "./control.ts";
import { LiveFigures } from "./figures.ts";
import { type RunFile, writeRunFile } from "./run_file.ts";
import type { Work } from "../work.ts";

export interface LiveOptions {
  readonly dataFolder: string;
  readonly metrics?: string; // host and port; none by default
  readonly place: Omit<RunFile, "pid" | "startedAt">;
  readonly log: Log;
}

/** Shows it until what this returns is disposed of. */
export async function showLive(work: Work, options: LiveOptions): Promise<AsyncDisposable> {
  const { dataFolder, metrics, place, log } = options;
  const startedAt = Date.now();
  await using opened = new AsyncDisposableStack();
  const figures = opened.use(new LiveFigures(work, { dataFolder, isShared: place.isShared, startedAt }));
  opened.use(await serveControls(dataFolder, { status: () => figures.read() }, log));
  const shown = metrics === undefined ? null : parseHostAndPort(metrics, 0);
  if (shown) {
    const { serveMetrics } = await import("./metrics.ts"); // a library of its own, which nobody else needs
    const server = opened.use(
      serveMetrics({
        ...shown,
        read: () => figures.read(),
        reachStore: () => work.store.findLogin("of a monitor"),
      }),
    );
    log.info("metrics", { host: shown.host, port: server.port });
  }
  try {
    opened.use(await writeRunFile(dataFolder, { pid: Deno.pid, startedAt, ...place }));
  } catch (error) {
    log.warn("cannot say in the data folder how this server is reached: healthcheck needs --port", { error });
  }
  return opened.move();
}
