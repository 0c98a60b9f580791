/**
 * TLS to a server that is known by its key (pinned), or vouched for by an authority, and nothing else.
 *
 * A pin is a certificate, and what counts of it is the key: a renewed certificate with the same key is the same server.
 * Nothing is ever sent to a server whose key was not checked; {@linkcode fetchCertificate} only looks.
 * @module
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { formatHostAndPort } from "../addresses.ts";
import { ConnectionError, messageOf, TrustError } from "../errors.ts";
import { Limit, unlessAborted } from "../waiting.ts";
import {
  describeDialFailure,
  dial,
  DIAL_TIMEOUT_MS,
  type DialOptions,
  isTimeUp,
  noAnswerWithin,
} from "./dial.ts";
import { CERTIFICATE_NAME, fingerprintOf } from "./identity.ts";

/** Where to call, and which certificate is pinned. */
export interface PinnedOptions extends DialOptions {
  /** The pinned certificate in PEM. */
  readonly certificatePem: string;
  /**
   * Told when the server shows a new certificate with the pinned key; keep it in place of the old one. What it throws ends the
   * connection.
   */
  readonly onRenewed?: (certificatePem: string) => void;
  /** Names of the protocols to speak; none by default. */
  readonly alpnProtocols?: readonly string[];
}

/**
 * Looks at the certificate of a server without trusting it. Sends nothing but the TLS handshake.
 * @throws {ConnectionError} When it cannot be reached, or does not speak TLS.
 */
export async function fetchCertificate(options: DialOptions): Promise<string> {
  using limit = new Limit(options.timeoutMs ?? DIAL_TIMEOUT_MS, options.signal);
  // The first call finds the address that works, and the words for it when none does.
  const probe = await dial(options);
  // Where the caller has an address, that may name an interface behind it, which the socket does not say.
  const address = isIP(options.host) ? options.host : probe.remoteAddr.hostname;
  probe.close();
  let socket: TLSSocket | undefined;
  try {
    const der = await unlessAborted(
      limit.signal,
      new Promise<Uint8Array>((resolve, reject) => {
        // Reading a certificate is not trusting it: what comes of this is compared, or shown to a person.
        socket = connectTls({
          host: address,
          port: options.port,
          servername: serverNameFor(options.host),
          rejectUnauthorized: false,
        });
        socket.once("secureConnect", () => resolve(socket!.getPeerCertificate().raw));
        socket.once("error", reject);
        socket.once("close", () => reject(new Deno.errors.UnexpectedEof("hung up during the handshake")));
      }),
    );
    return new X509Certificate(der).toString();
  } catch (error) {
    throw describeTlsFailure(error, options);
  } finally {
    socket?.on("error", () => {}); // one more may come of the destruction; everything was said already
    socket?.destroy();
  }
}

/**
 * Whether an authority that this system trusts vouches for the server under the name it is called by.
 * @returns False when it answers with a certificate that none vouches for.
 * @throws {ConnectionError} When it cannot be reached, or does not speak TLS.
 */
export async function verifyWithSystemRoots(options: DialOptions): Promise<boolean> {
  try {
    (await openTls(options, options.host, [])).close();
    return true;
  } catch (error) {
    if (isRefusedCertificate(error)) return false;
    throw describeTlsFailure(error, options);
  }
}

/**
 * Connects to a server that an authority vouches for.
 * @throws {TrustError} When none does, or no longer.
 * @throws {ConnectionError} When it cannot be reached, or does not speak TLS.
 */
export async function connectVerified(options: DialOptions): Promise<Deno.TlsConn> {
  try {
    return await openTls(options, options.host, []);
  } catch (error) {
    if (!isRefusedCertificate(error)) throw describeTlsFailure(error, options);
    const place = formatHostAndPort(options.host, options.port);
    throw new TrustError(
      `Cannot trust ${place} as no authority vouches for its certificate: ${whyRefused(error)}`,
      { cause: error },
    );
  }
}

/**
 * Connects to a server whose certificate is pinned.
 * @returns The connection, its handshake done, to the holder of the pinned key.
 * @throws {TrustError} When the server has another key; the message shows both.
 * @throws {ConnectionError} When it cannot be reached, or does not speak TLS.
 */
export async function connectPinned(options: PinnedOptions): Promise<Deno.TlsConn> {
  const { certificatePem } = options;
  try {
    return await openTls(options, nameIn(certificatePem), [certificatePem]);
  } catch (error) {
    if (!isRefusedCertificate(error)) throw describeTlsFailure(error, options);
    const shown = await fetchCertificate(options);
    await checkSameKey(certificatePem, shown, options);
    return await connectRenewed(options, shown, error);
  }
}

/**
 * Speaks TLS to a known server on a connection that was made in another way, such as from a chosen port.
 * @param socket A TCP connection to the server, or bridged to it; owned from now on.
 * @param options.certificatePem The pin; null when an authority vouches for the server.
 * @returns The connection; its handshake, which checks the server's key, is still to come.
 */
export async function startTrustedTls(
  socket: Deno.TcpConn,
  options: { host: string; certificatePem: string | null; alpnProtocols: readonly string[] },
): Promise<Deno.TlsConn> {
  const { host, certificatePem, alpnProtocols } = options;
  return await Deno.startTls(socket, {
    hostname: bare(certificatePem === null ? host : nameIn(certificatePem)),
    caCerts: certificatePem === null ? [] : [certificatePem],
    alpnProtocols: [...alpnProtocols],
  });
}

/** The key is the pinned one, so the certificate around it may be taken; the handshake proves who holds the key. */
async function connectRenewed(
  options: PinnedOptions,
  shown: string,
  refusal: unknown,
): Promise<Deno.TlsConn> {
  const place = formatHostAndPort(options.host, options.port);
  if (shown.trim() === options.certificatePem.trim()) {
    throw new ConnectionError(
      `Cannot use the certificate of ${place}, though its key is the known one: ${whyRefused(refusal)}`,
      { cause: refusal },
    );
  }
  let connection: Deno.TlsConn;
  try {
    connection = await openTls(options, nameIn(shown), [shown]);
  } catch (error) {
    if (!isRefusedCertificate(error)) throw describeTlsFailure(error, options);
    throw new ConnectionError(
      `Cannot use the new certificate of ${place}, though its key is the known one: ${whyRefused(error)}`,
      { cause: error },
    );
  }
  try {
    options.onRenewed?.(shown);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function checkSameKey(pinned: string, shown: string, { host, port }: DialOptions): Promise<void> {
  const [known, seen] = await Promise.all([fingerprintOf(pinned), fingerprintOf(shown)]);
  if (known === seen) return;
  throw new TrustError(
    `Cannot trust ${formatHostAndPort(host, port)} as its key has changed: known ${known}, seen ${seen}. ` +
      "Somebody may be intercepting the connection, such as a network that wants you to sign in first, or the server was set up " +
      "anew. Ask its operator; nothing was sent",
  );
}

/** TCP, then TLS, both within one time limit. */
async function openTls(
  options: DialOptions & Pick<PinnedOptions, "alpnProtocols">,
  hostname: string,
  caCerts: string[],
): Promise<Deno.TlsConn> {
  using limit = new Limit(options.timeoutMs ?? DIAL_TIMEOUT_MS, options.signal);
  const socket = await dial(options);
  let connection: Deno.TlsConn | undefined;
  try {
    const alpnProtocols = [...options.alpnProtocols ?? []];
    connection = await Deno.startTls(socket, { hostname: bare(hostname), caCerts, alpnProtocols });
    await unlessAborted(limit.signal, connection.handshake());
    return connection;
  } catch (error) {
    (connection ?? socket).close();
    throw error;
  }
}

/** The name under which a pinned certificate is checked: ours, or the first that a certificate of others has. */
function nameIn(certificatePem: string): string {
  const names = (new X509Certificate(certificatePem).subjectAltName ?? "").split(",").map((entry) =>
    entry.trim()
  );
  if (names.includes(`DNS:${CERTIFICATE_NAME}`)) return CERTIFICATE_NAME;
  const first = names.find((name) => name.startsWith("DNS:") || name.startsWith("IP Address:"));
  // A wildcard stands for one label (RFC 6125 §6.4.3); any will do, since it is the key that counts.
  return first?.replace(/^[^:]*:/, "").replace("*", "any") ?? CERTIFICATE_NAME;
}

/** RFC 6066 §3: an address is never sent as a server name. */
function serverNameFor(host: string): string {
  return /^[\d.]+$|:/.test(host) ? CERTIFICATE_NAME : host;
}

function bare(host: string): string {
  return host.replace(/\.$/, "").split("%")[0] ?? host;
}

/** Rustls words every refusal of a certificate so, and no other failure. */
function isRefusedCertificate(error: unknown): boolean {
  return error instanceof Deno.errors.InvalidData && error.message.includes("invalid peer certificate");
}

/** What the library's words for a refused certificate mean. */
const REFUSALS: readonly [words: RegExp, meaning: string][] = [
  [/UnknownIssuer/, "nobody that this system trusts has signed it"],
  [/Expired|expired/, "its time is over; if this machine's clock is right, its operator has to renew it"],
  [/NotValidYet|not valid yet/, "its time has not come yet; check this machine's clock"],
  [/NotValidForName|not valid for/, "it is for another name"],
  [
    /CaUsedAsEndEntity/,
    "it is that of an authority, which is no server's; its operator has to make another one",
  ],
  [/Revoked|revoked/, "it was called back"],
];

function whyRefused(error: unknown): string {
  const words = messageOf(error).replace(/^invalid peer certificate: /, "");
  return REFUSALS.find(([pattern]) => pattern.test(words))?.[1] ?? words;
}

/** What it means that TLS did not come about; that TCP did not is a `ConnectionError` already. */
function describeTlsFailure(error: unknown, options: DialOptions): unknown {
  const place = formatHostAndPort(options.host, options.port);
  if (isTimeUp(error) && !options.signal?.aborted) {
    return new ConnectionError(
      `Cannot talk to ${place}: it takes calls, but there was ${noAnswerWithin(options)}; ` +
        "something on the way may hold it up, such as a firewall or a network that wants you to sign in",
      { cause: error },
    );
  }
  const isTlsFault = error instanceof Deno.errors.InvalidData ||
    /ssl|tls|record|wrong version|corrupt message/i.test(messageOf(error)) ||
    error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.ConnectionReset;
  if (options.signal?.aborted || error instanceof ConnectionError || !isTlsFault) {
    return describeDialFailure(error, options);
  }
  return new ConnectionError(
    `Cannot talk to ${place}: it answers, but does not speak TLS as a Mini-Chat server does; ` +
      "check the port, and whether this network wants you to sign in first",
    { cause: error },
  );
}
