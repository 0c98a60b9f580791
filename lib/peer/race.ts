/**
 * The race of ways: a joiner tries everything that may lead to the host, and the first proven way wins.
 *
 * At once: each address of the host, and a punch at the moment the server sets. After a while: the relay
 * (DESIGN §10). What loses is closed.
 * @module
 */
import { ChatError, LinkError, messageOf } from "../errors.ts";
import { Connection } from "../net/connection.ts";
import { CERTIFICATE_NAME } from "../net/identity.ts";
import type { JoinedChat, Place } from "../protocol/chat_messages.ts";
import type { Route } from "../protocol/peer_messages.ts";
import { routeTo, scopeOf, usableEndpoints } from "./addresses.ts";
import { LINK_CONNECTION, type LinkSecrets, ProvenConnection } from "./link.ts";
import { limit, pause } from "./pause.ts";
import { PunchPort } from "./punch.ts";
import { openRelay } from "./side_client.ts";
import { nextEvent, type Rendezvous } from "./rendezvous.ts";
import { type Bridge, closeQuietly, throughLoopback } from "./streams.ts";

/** When the relay joins the race, in milliseconds: a direct way that is slower than this can still take over later. */
export const RELAY_AFTER_MS = 3_000;
/** How long a race may take in all. */
export const RACE_WITHIN_MS = 15_000;
/** Pauses after which a place that could not be reached is dialled again, in milliseconds. */
const DIAL_AGAIN_AFTER_MS = [200, 800];
/** How long one connection may take from TCP to its proof. */
const ATTEMPT_MS = 8_000;

/** What runs in a race. */
export interface RaceOptions {
  /** How the two find each other. */
  readonly rendezvous: Rendezvous;
  /** What the server said on joining, this round. */
  readonly joined: JoinedChat;
  /** What both ends prove. */
  readonly secrets: LinkSecrets;
  /** When the relay joins in, in milliseconds; null leaves it out. {@linkcode RELAY_AFTER_MS} by default. */
  readonly relayAfterMs?: number | null;
  /** How long it may take in all, in milliseconds; {@linkcode RACE_WITHIN_MS} by default. */
  readonly withinMs?: number;
  /** Leaves out the host's addresses, and only punches; for tests and `--route`. */
  readonly isDialing?: boolean;
  /** Told what is being tried, in a few words for one changing line. */
  readonly onTrying?: (what: string) => void;
  /** Calls it off. */
  readonly signal: AbortSignal;
}

/** The first proven way. */
export interface RaceResult {
  /** The connection, its other end proven. */
  readonly proven: ProvenConnection;
  /** The way that the connection took. */
  readonly route: Route;
}

/**
 * Runs the race.
 *
 * @returns The winner, not in use yet.
 * @throws {LinkError} When no way leads there.
 * @throws {ChatError} When the host was reached and refused.
 */
export async function raceToHost(options: RaceOptions): Promise<RaceResult> {
  const { joined, rendezvous } = options;
  const limited = limit(options.signal, options.withinMs ?? RACE_WITHIN_MS);
  const contest = new Contest(limited.signal);
  const isLoopbackFine = scopeOf(rendezvous.server.address) === "loopback";
  const places = options.isDialing === false ? [] : usableEndpoints(joined.places, { isLoopbackFine });
  options.onTrying?.(describePlaces(places.length));
  try {
    for (const place of places) {
      contest.enter(routeTo(place), (signal) => dialAndProve(place, options.secrets, signal));
    }
    contest.run(punchInto(contest, options, isLoopbackFine));
    const relayAfterMs = options.relayAfterMs === undefined ? RELAY_AFTER_MS : options.relayAfterMs;
    if (relayAfterMs !== null) {
      contest.enter("relayed", async (signal) => {
        await pause(relayAfterMs, signal);
        options.onTrying?.("asking the server to relay");
        const stream = await openRelay(rendezvous.server, joined.relayTicket, signal);
        return await proveOver(await throughLoopback(stream), options.secrets, signal);
      });
    }
    return await contest.winner();
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof ChatError) throw error;
    throw new LinkError(`Cannot reach ${joined.host}: no way leads there`, { cause: error });
  } finally {
    limited.end();
  }
}

/** Dials a place; a failure may pass, as when a machine has just changed its network. */
async function dialAndProve(
  place: Place,
  secrets: LinkSecrets,
  signal: AbortSignal,
): Promise<ProvenConnection> {
  for (const pauseMs of DIAL_AGAIN_AFTER_MS) {
    try {
      return await dialOnce(place, secrets, signal);
    } catch (error) {
      if (error instanceof ChatError && error.code !== "timeout") throw error;
      await pause(pauseMs, signal);
    }
  }
  return await dialOnce(place, secrets, signal);
}

async function dialOnce(
  place: Place,
  secrets: LinkSecrets,
  signal: AbortSignal,
): Promise<ProvenConnection> {
  const tcp = await Deno.connect({ hostname: place.address, port: place.port, signal });
  return await proveOver({ tcp, cut: () => {} }, secrets, signal);
}

/** Punches when the server says so, and enters each connection that comes about. */
async function punchInto(contest: Contest, options: RaceOptions, isLoopbackFine: boolean): Promise<void> {
  const { rendezvous, joined: { chatId, round } } = options;
  const { signal } = contest;
  using stack = new DisposableStack();
  const port = await PunchPort.open(rendezvous.server, signal);
  stack.defer(() => port.close());
  const told = nextEvent(
    rendezvous,
    (event) =>
      event.name === "chat_punch" && event.content.chatId === chatId && event.content.round === round
        ? event.content
        : undefined,
    signal,
  );
  told.catch(() => {}); // awaited below, unless the request fails first
  await rendezvous.request("offer_punch", { chatId, round, endpoints: [...port.endpoints] });
  const punch = await told;
  await pause(punch.startInMs, signal);
  options.onTrying?.("opening a way through both routers");
  await port.punch(usableEndpoints(punch.endpoints, { isLoopbackFine }), (stream) => {
    contest.enter("direct, punched", async (signal) => {
      return await proveOver(await throughLoopback(stream), options.secrets, signal);
    });
  }, signal);
}

/** Speaks TLS to the host's key, and proves the secret inside. */
async function proveOver(
  { tcp, cut }: Bridge,
  secrets: LinkSecrets,
  signal: AbortSignal,
): Promise<ProvenConnection> {
  let socket: Deno.Conn = tcp;
  const limited = limit(signal, ATTEMPT_MS);
  const onAbort = () => {
    closeQuietly(socket);
    cut();
  };
  limited.signal.addEventListener("abort", onAbort, { once: true });
  try {
    limited.signal.throwIfAborted();
    tcp.setNoDelay(true);
    const tls = await Deno.startTls(tcp, {
      hostname: CERTIFICATE_NAME,
      caCerts: [secrets.certificatePem],
    });
    socket = tls;
    await tls.handshake();
    return await ProvenConnection.prove(new Connection(tls, LINK_CONNECTION), secrets);
  } catch (error) {
    onAbort();
    throw error;
  } finally {
    limited.signal.removeEventListener("abort", onAbort);
    limited.end();
  }
}

/** Attempts that run side by side until one wins, or none is left. */
class Contest {
  /** Aborted once the race is decided. */
  readonly signal: AbortSignal;
  readonly #decided = Promise.withResolvers<RaceResult>();
  readonly #end: () => void;
  #running = 0;
  #isDecided = false;
  #refusal: ChatError | undefined; // the host itself said no
  #lastError: unknown;

  constructor(signal: AbortSignal) {
    const limited = limit(signal);
    this.signal = limited.signal;
    this.#end = () => limited.end("the race is decided");
    limited.signal.addEventListener("abort", () => this.#fail(limited.signal.reason), { once: true });
    this.#decided.promise.catch(() => {}); // whoever asks for the winner hears of it
  }

  /** Adds an attempt. */
  enter(route: Route, attempt: (signal: AbortSignal) => Promise<ProvenConnection>): void {
    this.run(
      attempt(this.signal).then((proven) => {
        if (this.#isDecided) return proven.drop("another way was faster");
        this.#isDecided = true;
        this.#decided.resolve({ proven, route });
        this.#end();
      }),
    );
  }

  /** Adds work that may enter attempts; the race goes on at least as long. */
  run(work: Promise<void>): void {
    this.#running += 1;
    work.catch((error) => {
      this.#lastError = error;
      if (error instanceof ChatError && error.code !== "timeout") this.#refusal ??= error;
    }).finally(() => {
      this.#running -= 1;
      if (this.#running === 0) this.#fail(this.#refusal ?? this.#lastError);
    });
  }

  async winner(): Promise<RaceResult> {
    try {
      return await this.#decided.promise;
    } catch (error) {
      throw this.#refusal ?? error;
    } finally {
      this.#end();
    }
  }

  #fail(error: unknown): void {
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.#decided.reject(error instanceof Error ? error : new LinkError(messageOf(error)));
    this.#end();
  }
}

function describePlaces(count: number): string {
  if (count === 0) return "looking for a way";
  return count === 1 ? "trying one address" : `trying ${count} addresses`;
}
