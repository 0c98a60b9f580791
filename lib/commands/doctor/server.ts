// What `doctor` looks at on the way to a server, step by step: name, addresses, key, version, clock, login. It stops where nothing
// further can be asked.
import { formatHostAndPort } from "../../addresses.ts";
import { HELLO } from "../../client/server_link.ts";
import { ChatError, messageOf, TrustError } from "../../errors.ts";
import { error, type Finding, ok, warning } from "../../findings/finding.ts";
import { addressesOf, describeDialFailure, dial } from "../../net/dial.ts";
import { fingerprintOf } from "../../net/identity.ts";
import type { RpcConnection } from "../../net/rpc_connection.ts";
import { fetchCertificate, startTrustedTls, verifyWithSystemRoots } from "../../net/trust.ts";
import type { ServerDoor } from "../../peer/rendezvous.ts";
import type { KnownServer, SavedLogin } from "../../profile/profile.ts";
import type { InviteLink } from "../../protocol/invite_link.ts";
import { parseResult } from "../../protocol/requests.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { VERSION } from "../../version.ts";
import { unlessAborted } from "../../waiting.ts";
import type { App } from "../app.ts";
import { addressReached, reachServer } from "../guest.ts";

/** How long one address may take to answer, in milliseconds: room for a round trip of 4 s whose first packet is lost. */
const ADDRESS_MS = 8_000;
/** Round trips of which the shortest counts. */
const ROUND_TRIPS = 3;
/** A round trip that people notice, in milliseconds. */
const SLOW_MS = 500;
/** What takes longer is not asked again, in milliseconds. */
const VERY_SLOW_MS = 2_000;
/** TCP and TLS take two round trips. */
const SLOW_KEY_MS = 2 * SLOW_MS;
/** A question that no packet of a network holds whole, in bytes. */
const LARGE_BYTES = 8_000;
/** How long it may take, in milliseconds: enough for a telephone's slowest network. */
const LARGE_WITHIN_MS = 10_000;
const PORTAL_OR_SERVER =
  "Open any page in a browser: it shows whether this network wants you to sign in first. Else check the port, and ask the operator.";
const WHEN_SLOW = "Messages get through all the same; try another network if it stays so slow.";
/** Clocks that differ by more make the times of messages look wrong, in milliseconds. */
const CLOCK_MS = 60_000;

/** Which server is examined, and as whom. */
export interface Target {
  readonly link: InviteLink; // where it is, and what key it should have
  readonly known: KnownServer | null; // as the profile has it
  readonly login: SavedLogin | null; // null when nobody ever signed in there
}

/** Gives the server's door at the end, for what comes after; null when there is no way to it. */
export async function* examineServer(
  app: App,
  target: Target,
  signal: AbortSignal,
  largeWithinMs: number = LARGE_WITHIN_MS,
): AsyncGenerator<Finding, ServerDoor | null> {
  const { host, port } = target.link;
  if (!(yield* examineAddresses(host, port, signal))) return null;
  const server = yield* examineKey(target, signal);
  if (!server) return null;
  let rpc: RpcConnection;
  const startedAt = performance.now();
  try {
    rpc = await reachServer(server, app.profile, {}, signal);
  } catch (failure) {
    signal.throwIfAborted();
    yield failure instanceof TrustError
      ? error("key", `${messageOf(failure)}.`, "Do not log in before the operator has told you why.")
      : error("key", `${messageOf(failure)}.`, PORTAL_OR_SERVER);
    return null;
  }
  const tookMs = performance.now() - startedAt;
  yield tookMs < SLOW_KEY_MS
    ? ok("key", keyWords(server))
    : warning("key", `${keyWords(server)} To connect took ${inWords(tookMs)}.`, WHEN_SLOW);
  const door: ServerDoor = {
    address: addressReached(server, rpc),
    port,
    startTls: (tcp, alpnProtocols) =>
      startTrustedTls(tcp, { host, certificatePem: app.profile.certificateOf(server), alpnProtocols }),
  };
  try {
    if (yield* examineGreeting(rpc, signal)) {
      yield* examineLogin(app, rpc, target, signal);
      // The last question: where nothing comes of it, nothing comes of what is asked behind it.
      yield await examineLarge(rpc, largeWithinMs, signal);
    }
  } finally {
    await rpc.request("bye", {}, { timeoutMs: 1_000 }).catch(() => {});
    rpc.abort();
  }
  return door;
}

/** Gives false when no address can be reached. */
async function* examineAddresses(
  host: string,
  port: number,
  signal: AbortSignal,
): AsyncGenerator<Finding, boolean> {
  const shown = safeText(host);
  let addresses: string[];
  const startedAt = performance.now();
  try {
    addresses = await unlessAborted(signal, addressesOf(host));
  } catch (failure) {
    signal.throwIfAborted();
    const said = describeDialFailure(failure, { host, port });
    yield error(
      "name",
      `${messageOf(said)}.`,
      "Compare the name with the invite link, and try another network.",
    );
    return false;
  }
  const isName = addresses.length !== 1 || addresses[0] !== host;
  const tookMs = performance.now() - startedAt;
  const found = `${shown} is ${addresses.join(", ")} (${inWords(tookMs)}).`;
  if (tookMs > VERY_SLOW_MS) {
    yield warning(
      "name",
      found,
      "A name server that this machine asks does not answer: look at its network settings.",
    );
  } else if (isName) yield ok("name", found);
  const findings = await Promise.all(addresses.map((address) => examineAddress(address, port, signal)));
  const working = findings.filter(({ level }) => level !== "error");
  for (const finding of findings) {
    // One address that is away costs a moment at each connection, no more.
    yield finding.level === "error" && working.length > 0 ? { ...finding, level: "warning" } : finding;
  }
  return working.length > 0;
}

async function examineAddress(address: string, port: number, signal: AbortSignal): Promise<Finding> {
  const startedAt = performance.now();
  try {
    (await dial({ host: address, port, timeoutMs: ADDRESS_MS, signal })).close();
    const place = formatHostAndPort(address, port);
    const tookMs = performance.now() - startedAt;
    return tookMs < SLOW_MS
      ? ok("address", `${place} answers (${inWords(tookMs)}).`)
      : warning("address", `${place} answers, but slowly (${inWords(tookMs)}).`, WHEN_SLOW);
  } catch (failure) {
    signal.throwIfAborted();
    const next = address.includes(":")
      ? "Where this machine has no IPv6, the other addresses do."
      : "Check that the server runs, and that its port is forwarded; a firewall here or there may stop it.";
    return error("address", `${messageOf(failure)}.`, next);
  }
}

/** Gives the server as it can be talked to: as it is known, or as its key allows; null when nothing must be sent to it. */
async function* examineKey(
  { link, known }: Target,
  signal: AbortSignal,
): AsyncGenerator<Finding, KnownServer | null> {
  const { host, port, fingerprint } = link;
  const another = "Ask whoever sent the link, and log in nowhere before that is clear.";
  if (known) {
    if (fingerprint === undefined || known.fingerprint === null || known.fingerprint === fingerprint) {
      return known;
    }
    yield error("key", `The link says ${fingerprint}, but ${known.fingerprint} is known here.`, another);
    return null;
  }
  try {
    if (fingerprint === undefined && await verifyWithSystemRoots({ host, port, signal })) {
      return { serverId: -1, host, port, certificate: null, fingerprint: null };
    }
    const certificate = await fetchCertificate({ host, port, signal });
    const seen = await fingerprintOf(certificate);
    if (seen === fingerprint) return { serverId: -1, host, port, certificate, fingerprint };
    yield fingerprint === undefined
      ? warning(
        "key",
        `This server is not known here yet; its key is ${seen}.`,
        "Use its invite link, or compare the key with its operator.",
      )
      : error("key", `The link says ${fingerprint}, but the server has ${seen}.`, another);
  } catch (failure) {
    signal.throwIfAborted();
    yield error("key", `${messageOf(failure)}.`, PORTAL_OR_SERVER);
  }
  return null;
}

function keyWords({ serverId, fingerprint }: KnownServer): string {
  if (fingerprint === null) return "An authority that this system trusts vouches for the server.";
  return `Its key is ${fingerprint}, as ${serverId < 0 ? "the link says" : "known here"}.`;
}

/** Version, round trip and clock; gives false when the server talks in another way. */
async function* examineGreeting(rpc: RpcConnection, signal: AbortSignal): AsyncGenerator<Finding, boolean> {
  try {
    const askedAt = Date.now();
    const greeting = parseResult("hello", await rpc.request("hello", HELLO, { signal }));
    const answeredAt = Date.now();
    const { server, protocol, time } = greeting;
    yield ok(
      "version",
      `Server ${safeText(server.version)}, this program ${VERSION}; both speak protocol ${protocol}.`,
    );
    yield await examineRoundTrip(rpc, signal);
    yield examineClock(time - (askedAt + answeredAt) / 2, answeredAt - askedAt);
    return true;
  } catch (failure) {
    signal.throwIfAborted();
    const isOld = failure instanceof ChatError && failure.code === "unsupported_version";
    yield error(
      "version",
      `${safeText(messageOf(failure))}.`,
      isOld
        ? "Install the version that the server's operator names."
        : "Try again later; tell the operator if it stays so.",
    );
    return false;
  }
}

async function examineRoundTrip(rpc: RpcConnection, signal: AbortSignal): Promise<Finding> {
  let shortest = Infinity;
  for (let round = 0; round < ROUND_TRIPS; round++) {
    const startedAt = performance.now();
    await rpc.request("ping", undefined, { signal });
    shortest = Math.min(shortest, performance.now() - startedAt);
    if (shortest > VERY_SLOW_MS) break;
  }
  const words = `A question and its answer take ${inWords(shortest)}.`;
  return shortest < SLOW_MS ? ok("speed", words) : warning("speed", words, WHEN_SLOW);
}

/** Whether what takes several packets gets through: where some are dropped in silence, people sign in and can send nothing long. */
async function examineLarge(rpc: RpcConnection, timeoutMs: number, signal: AbortSignal): Promise<Finding> {
  try {
    await rpc.request("ping", { padding: "x".repeat(LARGE_BYTES) }, { timeoutMs, signal });
  } catch (failure) {
    signal.throwIfAborted();
    // That a ping has no parameters is an answer as well.
    if (!(failure instanceof ChatError && failure.code === "invalid")) {
      return error(
        "large",
        `A question of ${
          LARGE_BYTES / 1_000
        } kB gets no answer, though small ones do: something on the way, such as a VPN, may drop large packets.`,
        "Set a smaller MTU, such as 1280, for the VPN or this machine's network, or try another network.",
      );
    }
  }
  return ok("large", "What is long gets through as well.");
}

/** @param differenceMs How far the server's clock is ahead, give or take the time that the question took. */
function examineClock(differenceMs: number, tookMs: number): Finding {
  const apart = Math.max(0, Math.abs(differenceMs) - tookMs / 2);
  const seconds = Math.round(Math.abs(differenceMs) / 1_000);
  if (apart < CLOCK_MS) {
    return ok(
      "clock",
      seconds < 2 ? "This clock and the server's agree." : `The clocks differ by ${seconds} s.`,
    );
  }
  const which = differenceMs > 0 ? "ahead of" : "behind";
  return warning(
    "clock",
    `The server's clock is ${seconds} s ${which} this one: times of messages look wrong.`,
    "Compare this clock with another; if it is right, tell the server's operator.",
  );
}

async function* examineLogin(
  app: App,
  rpc: RpcConnection,
  { link, login }: Target,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const again = `Type mini-chat-client login ${safeText(link.host)} ${login ? safeText(login.name) : "NAME"}`;
  if (!login || login.token === null) {
    return yield warning("login", "Nobody is signed in there on this device.", again);
  }
  try {
    const signedIn = parseResult("resume", await rpc.request("resume", { token: login.token }, { signal }));
    app.profile.saveLogin(login, signedIn);
    yield ok("login", `Signed in as ${safeText(login.name)}.`);
  } catch (failure) {
    signal.throwIfAborted();
    const isOver = failure instanceof ChatError && failure.code === "unauthenticated";
    yield error(
      "login",
      isOver
        ? `The login of ${safeText(login.name)} on this device has ended.`
        : `${safeText(messageOf(failure))}.`,
      isOver ? again : "Try again later; tell the operator if it stays so.",
    );
  }
}

function inWords(ms: number): string {
  return ms < 2_000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
