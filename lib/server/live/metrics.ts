// Metrics in the OpenMetrics text format, and `/healthz`, over HTTP on a port of their own. Numbers of the whole server alone: no
// label ever names an account or an address, so there are few series however many people there are.
import { Counter, Gauge, Registry } from "prom-client";
import { formatHostAndPort } from "../../addresses.ts";
import { messageOf, UsageError } from "../../errors.ts";
import { sleep, within } from "../../waiting.ts";
import type { Figures } from "./figures.ts";

export interface MetricsOptions {
  readonly host: string;
  readonly port: number;
  readonly read: () => Promise<Figures>;
  /** Settles once the store has answered; rejects when it cannot. */
  readonly reachStore: () => Promise<unknown>;
  readonly reachWithinMs?: number; // REACH_WITHIN_MS by default
}

export interface MetricsServer extends AsyncDisposable {
  readonly port: number;
}

const REACH_WITHIN_MS = 3_000;
const SERVE_AGAIN_MS = 1_000; // after it was over
const KEPT_MS = 1_000; // a text is given to all who ask within it: many readers cost as little as one

type Metric = readonly [
  kind: "counter" | "gauge",
  name: string,
  help: string,
  value: number | null | undefined,
];

/** @throws {UsageError} The address cannot be listened on. */
export function serveMetrics(options: MetricsOptions): MetricsServer {
  const { host, port, read, reachStore, reachWithinMs = REACH_WITHIN_MS } = options;
  const metrics = keptFor(KEPT_MS, async () => await textOf(await read()));
  const health = keptFor(KEPT_MS, async () => {
    const answer = await within(reachWithinMs, reachStore().then(() => "ok", () => "failed"));
    return answer === "ok";
  });
  const pages: Readonly<Record<string, () => Promise<Response>>> = {
    "/metrics": async () =>
      new Response(await metrics(), { headers: { "content-type": Registry.OPENMETRICS_CONTENT_TYPE } }),
    "/healthz": async () =>
      await health() ? new Response("ok\n") : new Response("the store does not answer\n", { status: 503 }),
  };
  const answer = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const page = Object.hasOwn(pages, pathname) ? pages[pathname] : undefined;
    if (!page) return new Response("not found\n", { status: 404 });
    if (request.method === "GET") return await page();
    if (request.method !== "HEAD") {
      return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const { status, headers } = await page();
    return new Response(null, { status, headers });
  };
  const stop = new AbortController();
  const open = (port: number) =>
    Deno.serve({
      hostname: host,
      port,
      signal: stop.signal,
      onListen: () => {},
      onError: () => new Response("a fault of the server\n", { status: 500 }),
    }, answer);
  try {
    const server = open(port);
    const { port: opened } = server.addr;
    const serving = keepServing(server, () => open(opened), stop.signal);
    return {
      port: opened,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await within(1_000, serving);
      },
    };
  } catch (cause) {
    const reason = cause instanceof Deno.errors.AddrInUse
      ? "another program uses the port"
      : messageOf(cause);
    throw new UsageError(`Cannot show metrics on ${formatHostAndPort(host, port)}: ${reason}`, { cause });
  }
}

/** Until the signal is aborted: a server of Deno 2.8 is over once it has no file left for a caller, and that passes. */
async function keepServing(
  server: Deno.HttpServer,
  again: () => Deno.HttpServer,
  signal: AbortSignal,
): Promise<void> {
  let { finished } = server;
  for (;;) {
    try {
      return await finished;
    } catch {
      await sleep(SERVE_AGAIN_MS, signal).catch(() => {});
      if (signal.aborted) return;
      finished = Promise.try(() => again().finished);
    }
  }
}

async function textOf(figures: Figures): Promise<string> {
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  for (const [kind, name, help, value] of metricsOf(figures)) {
    if (value === null || value === undefined) continue; // not known now
    const about = { name: `minichat_${name}`, help, registers: [registry] };
    if (kind === "counter") new Counter(about).inc(value);
    else new Gauge(about).set(value);
  }
  const { version } = figures;
  const build = { name: "minichat_build_info", help: "Version of the program.", labelNames: ["version"] };
  new Gauge({ ...build, registers: [registry] }).set({ version }, 1);
  return await registry.metrics();
}

function metricsOf(figures: Figures): Metric[] {
  const { now, survey, community } = figures;
  const oldestUnreadAt = survey?.oldestUnreadAt;
  const waitsFor = typeof oldestUnreadAt === "number" ? Math.max(0, now - oldestUnreadAt) / 1000 : 0;
  return [
    ["gauge", "start_time_seconds", "When the server started, since 1970.", figures.startedAt / 1000],
    ["gauge", "people_online", "Accounts that are signed in here.", figures.people],
    ["gauge", "connections", "Connections of clients, signed in or not.", figures.connections],
    ["counter", "messages", "Messages stored since the start.", figures.messages],
    ["counter", "logins", "Logins that succeeded, registrations included.", figures.logins],
    ["counter", "refused_logins", "Logins with a wrong name or password.", figures.refusedLogins],
    ["gauge", "store_waiting_calls", "Calls of the store that are not answered yet.", figures.waitingCalls],
    ["counter", "store_commits", "Commits to the disk since the start.", figures.commits],
    ["counter", "store_commit_seconds", "Time that these commits took together.", figures.commitMs / 1000],
    ["gauge", "store_refuses", "1 while nothing can be stored.", Number(figures.trouble !== null)],
    [
      "gauge",
      "stored_messages",
      "Messages in the store; about, where there are many on PostgreSQL.",
      survey?.messages,
    ],
    ["gauge", "stored_text_bytes", "Text of the messages in the store.", survey?.textBytes],
    ["gauge", "unread_messages", "Messages that nobody has read yet.", survey?.unreadMessages],
    ["gauge", "oldest_unread_seconds", "For how long the oldest of those has waited.", survey && waitsFor],
    ["gauge", "database_bytes", "Size of the database.", survey?.databaseBytes],
    ["gauge", "database_log_bytes", "Size of the database's log.", figures.databaseLogBytes],
    ["gauge", "disk_free_bytes", "Free space where the data folder lies.", figures.diskFreeBytes],
    ["gauge", "memory_bytes", "Memory of the process.", figures.memoryBytes],
    ["gauge", "open_chats", "Direct chats that are open in the whole community.", figures.openChats],
    ["gauge", "relayed_sides", "Sides of direct chats in the relay.", figures.relayedSides],
    ["counter", "relayed_bytes", "Bytes relayed since the start.", figures.relayedBytes],
    ["gauge", "community_servers", "Servers that share the database.", community?.servers],
    ["gauge", "community_leader", "1 at the server that leads.", community && Number(community.isLeader)],
  ];
}

/** Runs it once for all who ask while it runs, and a while longer. */
function keptFor<Result>(ms: number, run: () => Promise<Result>): () => Promise<Result> {
  let kept: Promise<Result> | undefined;
  let endedAt = Infinity;
  return () => {
    if (kept && performance.now() < endedAt + ms) return kept;
    endedAt = Infinity; // it runs
    kept = run().finally(() => endedAt = performance.now());
    return kept;
  };
}
