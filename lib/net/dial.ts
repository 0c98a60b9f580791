// Calls another machine at every address of its name, and says in words why that failed.
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ConnectionError, messageOf } from "../errors.ts";
import { Limit, sleep, unlessAborted, within } from "../waiting.ts";
import { formatHostAndPort } from "../addresses.ts";

export interface DialOptions {
  readonly host: string; // a name, or an IP address without brackets
  readonly port: number;
  readonly timeoutMs?: number; // for all of it, name, TCP and TLS; 30 s by default
  readonly signal?: AbortSignal; // calls it off; the promise rejects with its reason
}

/**
 * Enough for a name server that answers at its second try, round trips of 4 s, and a firewall that holds a call up until it has
 * looked at it; whoever waits is told how long it has taken, and can stop it.
 */
export const DIAL_TIMEOUT_MS: number = 30_000;
/** Head start of each address over the next one, in milliseconds (RFC 8305 §5, "Connection Attempt Delay"). */
const ATTEMPT_DELAY_MS = 250;
/** How long silent addresses are waited for once another has refused, in milliseconds: two of their packets may be lost. */
const AFTER_REFUSAL_MS = 4_000;
/** When a name server counts as slow, in milliseconds. */
const SLOW_LOOKUP_MS = 1_000;
/** How long the addresses of one family wait for those of the other then, in milliseconds (RFC 8305 §3: 50 where it is not slow). */
const RESOLUTION_DELAY_MS = 500;

/**
 * Opens a TCP connection to whichever address of a host answers first, IPv6 and IPv4 in turn (RFC 8305, without its
 * sorting by history). Nagle's algorithm is off and keep-alive on.
 * @returns The connection; every other attempt is called off.
 * @throws {ConnectionError} When the name is unknown or no address answers; one sentence says which.
 */
export async function dial(options: DialOptions): Promise<Deno.TcpConn> {
  const { host, port, signal } = options;
  const timeoutMs = options.timeoutMs ?? DIAL_TIMEOUT_MS;
  signal?.throwIfAborted();
  using limit = new Limit(timeoutMs, signal);
  try {
    const addresses = await unlessAborted(limit.signal, addressesOf(host));
    const socket = await connectToFirst(addresses, port, limit.signal);
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    return socket;
  } catch (error) {
    throw describeDialFailure(error, options);
  }
}

/** What a failed call means: a `ConnectionError` for a person, or the caller's own reason when its signal called it off. */
export function describeDialFailure(error: unknown, options: DialOptions): unknown {
  const { host, port, signal } = options;
  if (signal?.aborted) return signal.reason;
  if (error instanceof ConnectionError) return error;
  const place = formatHostAndPort(host, port);
  return new ConnectionError(`Cannot reach ${place}: ${describeCause(error, options)}`, { cause: error });
}

/** Whether a {@linkcode Limit} has ended it. */
export function isTimeUp(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** `no answer within 30 s`. */
export function noAnswerWithin({ timeoutMs = DIAL_TIMEOUT_MS }: DialOptions): string {
  return `no answer within ${Math.round(timeoutMs / 100) / 10} s`;
}

function describeCause(error: unknown, options: DialOptions): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (isTimeUp(error)) return noAnswerWithin(options);
  if (isRefusal(error)) return "nothing listens there; check the port, or start the server";
  if (error instanceof Deno.errors.TimedOut || code === "ETIMEDOUT") return "the machine does not answer";
  if (options.host.includes("%") && (code === undefined || code === "ENOENT")) { // as Linux and Windows have it
    return `this machine has no interface ${options.host.replace(/^.*%/, "")}`;
  }
  if (code === "ENOTFOUND" || code === "EAI_NODATA") return "no machine has this name; check the spelling";
  if (code === "EAI_AGAIN") return "the name cannot be looked up now; check whether this machine is online";
  if (code === "ENETUNREACH" || code === "EHOSTUNREACH") {
    return "the network has no route to it; check whether this machine is online";
  }
  if (code === "EADDRNOTAVAIL" || error instanceof Deno.errors.AddrNotAvailable) {
    return `this machine has no ${
      options.host.includes(":") ? "IPv6" : "address for it"
    }; try another address of the server`;
  }
  if (/^fe[89ab].:/i.test(options.host) && !options.host.includes("%")) {
    return `such an address needs the name of this machine's interface behind it: ${options.host}%eth0`;
  }
  if (
    code === "ECONNRESET" || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.UnexpectedEof
  ) {
    return "it hung up at once";
  }
  return messageOf(error);
}

type Ask = (host: string, family: 0 | 4 | 6) => Promise<LookupAddress[]>;

/**
 * All addresses of a host, IPv6 and IPv4 in turn, in the order the system prefers. Where the name server leaves the question for
 * one family without an answer, which holds up both for 10 s or longer, those of the other.
 * @param ask Looks a name up, the addresses of one family or (0) all; the system's way by default.
 * @param slowMs When both families are asked for by themselves as well; 1 s by default.
 */
export async function addressesOf(
  host: string,
  ask: Ask = askSystem,
  slowMs = SLOW_LOOKUP_MS,
): Promise<string[]> {
  if (isIP(host)) return [host];
  const all = ask(host, 0);
  const found = await within(slowMs, all) ?? await firstOf(all, ask(host, 6), ask(host, 4));
  const [first = [], second = []] = Map.groupBy(found, ({ family }) => family).values();
  return found.flatMap((_, turn) => [first[turn], second[turn]]).flatMap((entry) => entry?.address ?? []);
}

function askSystem(host: string, family: 0 | 4 | 6): Promise<LookupAddress[]> {
  return lookup(host, { all: true, verbatim: true, family });
}

/** The addresses of both families, or of the one that is known while the other is not soon after; throws what `all` failed with. */
async function firstOf(
  all: Promise<LookupAddress[]>,
  ...families: Promise<LookupAddress[]>[]
): Promise<LookupAddress[]> {
  const known: LookupAddress[][] = [];
  const noted = families.map((family) => family.then((found) => known.push(found), () => {}));
  try {
    const first = await Promise.any([all, ...families]);
    if (!known.includes(first)) return first;
  } catch {
    return await all;
  }
  await within(RESOLUTION_DELAY_MS, Promise.all(noted));
  return known.flat();
}

/**
 * Opens a TCP connection to the first of several addresses that answers. Each is called 250 ms after the one before it, or at
 * once when that has failed; all go on until one of them answers, so a silent one costs the others nothing. Once one has
 * refused, the machine is there, and silent addresses, which are not its own then, are waited for only `afterRefusalMs` more.
 * @returns The connection; every other attempt is called off.
 * @throws What the address that tells most failed with, when all have failed: one that was reached, before one that was not.
 */
export async function connectToFirst(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
  afterRefusalMs: number = AFTER_REFUSAL_MS,
): Promise<Deno.TcpConn> {
  using race = new Limit(Infinity, signal);
  const attempts: Promise<Deno.TcpConn>[] = [];
  try {
    for (const hostname of addresses) {
      const attempt = Deno.connect({ hostname, port, signal: race.signal });
      attempts.push(attempt);
      attempt.catch(async (error) => {
        if (!isRefusal(error)) return;
        await sleep(afterRefusalMs, race.signal).then(() => race.abort(error), () => {});
      });
      const isLast = attempts.length === addresses.length;
      if (isLast || await answersWithin(ATTEMPT_DELAY_MS, attempt, attempts) || signal.aborted) break;
    }
    const socket = await Promise.any(attempts);
    for (const attempt of attempts) attempt.then((other) => other === socket || other.close(), () => {});
    return socket;
  } catch (error) {
    throw signal.aborted
      ? signal.reason
      : error instanceof AggregateError
      ? mostTelling(error.errors)
      : error;
  }
}

/** Of an address that was called in vain and one that this machine cannot even call, what the first one said. */
function mostTelling(errors: readonly unknown[]): unknown {
  const isOurs = (error: unknown) =>
    ["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EINVAL"].includes(
      (error as { code?: string } | null)?.code ?? "",
    );
  return errors.find(isRefusal) ?? errors.find((error) => !isOurs(error)) ?? errors[0];
}

function isRefusal(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionRefused ||
    (error as { code?: unknown } | null)?.code === "ECONNREFUSED";
}

/** Whether any attempt has answered: known as soon as one has, the newest has failed, or the time is up. */
async function answersWithin(
  ms: number,
  newest: Promise<Deno.TcpConn>,
  attempts: readonly Promise<Deno.TcpConn>[],
): Promise<boolean> {
  const answered = Promise.any(attempts).then(() => true, () => false);
  const failed = newest.then(() => true, () => false);
  return await within(ms, Promise.race([answered, failed])) ?? false;
}
