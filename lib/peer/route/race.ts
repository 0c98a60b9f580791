// The race of ways: a joiner tries everything that may lead to the host. The first proven way is put in use, and a direct
// one takes over from the relay when it comes later.
// At once: each address of the host, and a punch at the moment the server sets. A moment later: the relay, which carries
// until something better is found.
import { ChatError, ConnectionError } from "../../errors.ts";
import { Connection } from "../../net/connection.ts";
import { CERTIFICATE_NAME } from "../../net/identity.ts";
import { type Bridge, throughLoopback } from "../../net/streams.ts";
import type { JoinedChat, Place } from "../../protocol/chat_messages.ts";
import type { Route } from "../../protocol/peer_messages.ts";
import { Limit, sleep } from "../../waiting.ts";
import { type ProvenConnection, proveToHost } from "../link/joiner_link.ts";
import { LINK_CONNECTION, type LinkSecrets } from "../link/peer_link.ts";
import type { Rendezvous } from "../rendezvous.ts";
import { routeTo, usableEndpoints } from "./addresses.ts";
import { punch } from "./punch.ts";
import type { RouteHealth } from "./route_health.ts";
import { openRelay, speakTls } from "./side_client.ts";

/** When the relay joins the race, in milliseconds: what is on the same network is proven by then, and costs no relay. */
const RELAY_AFTER_MS = 100;
/** How long a race may take in all, and once the relay is in use: a new round soon is worth more than a long one. */
const RACE_WITHIN_MS = 15_000;
const RELAYED_WITHIN_MS = 6_000;
/** Pauses after which a place that could not be reached is dialled again, in milliseconds. */
const DIAL_AGAIN_AFTER_MS = [200, 800];
const ATTEMPT_MS = 8_000; // how long one connection may take from TCP to its proof

export interface RaceOptions {
  readonly rendezvous: Rendezvous;
  readonly joined: JoinedChat;
  readonly secretsOf: () => LinkSecrets;
  readonly routes: RouteHealth;
  /**
   * Puts a proven connection in use, or drops it. Called for one at a time. A direct one that it has put in use ends the
   * race; what it throws counts as the failure of that attempt.
   */
  readonly take: (proven: ProvenConnection, route: Route) => Promise<void>;
  readonly relayAfterMs: number | undefined;
  readonly withinMs: number | undefined;
  readonly isDialing: boolean;
  readonly isPunching: boolean; // only where the server has begun a round for both
  readonly onTrying: (what: string) => void;
  readonly signal: AbortSignal;
}

export async function raceToHost(options: RaceOptions): Promise<void> {
  const { joined, rendezvous, routes, onTrying } = options;
  const { relayTicket } = joined;
  using contest = new Contest(options);
  const places = options.isDialing ? usableEndpoints(joined.places, rendezvous.server.address) : [];
  onTrying(describePlaces(places.length));
  for (const place of places) {
    const route = routeTo(place);
    if (!routes.isAvoided(route)) contest.enter(route, (signal) => dialAndProve(place, options, signal));
  }
  if (options.isPunching && !routes.isAvoided("direct, punched")) {
    contest.run((signal) =>
      punch(rendezvous, joined, {
        onBegin: () => onTrying("opening a way through both routers"),
        onStream: (stream) =>
          contest.enter("direct, punched", async (signal) => {
            return await proveOver(await throughLoopback(stream), options, signal);
          }),
        signal,
      })
    );
  }
  if (relayTicket !== undefined) {
    contest.enter("relayed", async (signal) => {
      await sleep(options.relayAfterMs ?? RELAY_AFTER_MS, signal);
      onTrying("asking the server to relay");
      const stream = await openRelay(rendezvous.server, relayTicket, signal);
      return await proveOver(await throughLoopback(stream), options, signal);
    });
  }
  contest.run(() => Promise.resolve()); // ends it when there is nothing else
  await contest.over;
}

/** A failure may pass, as when a machine has just changed its network. */
async function dialAndProve(
  place: Place,
  options: RaceOptions,
  signal: AbortSignal,
): Promise<ProvenConnection> {
  for (let attempt = 0;; attempt++) {
    try {
      const tcp = await Deno.connect({ hostname: place.address, port: place.port, signal });
      return await proveOver({ tcp, cut: () => {} }, options, signal);
    } catch (error) {
      const pauseMs = DIAL_AGAIN_AFTER_MS[attempt];
      if (pauseMs === undefined || (error instanceof ChatError && error.code !== "timeout")) throw error;
      await sleep(pauseMs, signal);
    }
  }
}

/** Speaks TLS to the host's key, and proves the secret inside. */
async function proveOver(
  bridge: Bridge,
  { secretsOf }: RaceOptions,
  signal: AbortSignal,
): Promise<ProvenConnection> {
  using limit = new Limit(ATTEMPT_MS, signal);
  const startTls = (tcp: Deno.TcpConn) => {
    tcp.setNoDelay(true);
    return Deno.startTls(tcp, { hostname: CERTIFICATE_NAME, caCerts: [secretsOf().certificatePem] });
  };
  return await speakTls(
    bridge,
    limit.signal,
    startTls,
    (tls) => proveToHost(new Connection(tls, LINK_CONNECTION), secretsOf()),
  );
}

class Contest implements Disposable {
  readonly over: Promise<void>;
  readonly #options: RaceOptions;
  readonly #limit: Limit;
  readonly #over = Promise.withResolvers<void>();
  #taking: Promise<void> = Promise.resolve(); // ends when no connection is being put in use
  #running = 0;
  #isOver = false;
  #isRelayed = false; // the relay is in use
  #relayedTimer: ReturnType<typeof setTimeout> | undefined; // set from then on
  #lastError: unknown;

  constructor(options: RaceOptions) {
    this.#options = options;
    this.over = this.#over.promise;
    this.over.catch(() => {}); // whoever waits for it hears of it
    this.#limit = new Limit(options.withinMs ?? RACE_WITHIN_MS, options.signal);
    const { signal } = this.#limit;
    if (signal.aborted) this.#runOut();
    else signal.addEventListener("abort", () => this.#runOut(), { once: true });
  }

  enter(route: Route, attempt: (signal: AbortSignal) => Promise<ProvenConnection>): void {
    this.run(async (signal) => {
      const proven = await attempt(signal);
      this.#taking = this.#taking.catch(() => {}).then(() => this.#take(proven, route));
      await this.#taking;
    });
  }

  /** Adds work that may enter attempts; the race goes on at least as long. */
  run(work: (signal: AbortSignal) => Promise<void>): void {
    this.#running += 1;
    work(this.#limit.signal).catch((error) => {
      this.#lastError = error;
      if (isFinal(error) && !this.#isRelayed) this.#end(error);
    }).finally(() => {
      this.#running -= 1;
      if (this.#running === 0) this.#runOut();
    });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#relayedTimer);
    this.#limit.abort("the race is over");
  }

  async #take(proven: ProvenConnection, route: Route): Promise<void> {
    if (this.#isOver || (this.#isRelayed && route === "relayed")) {
      return proven.rpc.abort("another way was faster");
    }
    await this.#options.take(proven, route);
    if (route !== "relayed") return this.#end();
    this.#isRelayed = true;
    this.#relayedTimer = setTimeout(() => this.#end(), RELAYED_WITHIN_MS);
  }

  #runOut(): void {
    if (this.#isRelayed) return this.#end();
    const { signal, joined } = this.#options;
    const why = this.#lastError instanceof ConnectionError ? `: ${this.#lastError.message}` : "";
    const error = new ConnectionError(`Cannot reach ${joined.host}: no way leads there${why}`, {
      cause: this.#lastError,
    });
    this.#end(signal.aborted ? signal.reason : error);
  }

  #end(error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (error === undefined) this.#over.resolve();
    else this.#over.reject(error);
  }
}

/** Whether the host itself has said no, for good. What the server refuses of its help comes as a `ConnectionError`. */
function isFinal(error: unknown): boolean {
  return error instanceof ChatError && error.code !== "timeout" && error.code !== "unavailable";
}

function describePlaces(count: number): string {
  if (count === 0) return "looking for a way";
  return count === 1 ? "trying one address" : `trying ${count} addresses`;
}
