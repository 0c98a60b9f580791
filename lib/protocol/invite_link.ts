/**
 * Reads and writes the invite links and key fingerprints that people paste.
 *
 * A link is `mini-chat://HOST[:PORT][/JOINCODE][#FINGERPRINT]`. The part after `#` is the SHA-256 of the
 * server's public key (its DER SubjectPublicKeyInfo, as RFC 7469 §2.4 pins it, so that a renewed certificate with
 * the same key stays the same server), written as ssh writes one: `SHA256:` and 43 characters, here in base64url so
 * that it can stand in a link.
 * @module
 */
import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { formatHostAndPort, normalizeAddress, parsePort } from "../addresses.ts";
import { quote, UsageError } from "../errors.ts";
import { DEFAULT_PORT } from "./limits.ts";

/** The address of a server, and its join code and fingerprint. */
export interface InviteLink {
  /** Host name in lower case and in ASCII, or an IP address; an IPv6 address stands here without brackets. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** The join code, with which its holder may register; unset when the server needs none, or the link only leads to it. */
  readonly joinCode?: string;
  /** The server's key, see {@linkcode formatFingerprint}; unset for one whose certificate an authority vouches for. */
  readonly fingerprint?: string;
}

const SCHEME = "mini-chat://";
const LINK = /\bmini-chat:\/\/\S*/i;
const SHAPE = "mini-chat://HOST:PORT/JOINCODE#FINGERPRINT";
const FINGERPRINT_PREFIX = "SHA256:";
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/;
const JOIN_CODE = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Reads an invite link, or the plain `HOST` or `HOST:PORT` that stands for one.
 * Words and spaces around a link, `<>`, `()` and quotes from a mail, capitals in the scheme and a `/` at the end are accepted.
 * @returns Its parts, port 7667 where none was given.
 * @throws {UsageError} When a part is wrong; the sentence names it.
 */
export function parseInviteLink(text: string): InviteLink {
  const trimmed = linkIn(text).trim().replace(/^[<("'`“„‘«]+|[>)"'`”’».,;]+$/g, "").trim();
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(trimmed);
  if (scheme && scheme[0].toLowerCase() !== SCHEME) {
    throw new UsageError(
      `Cannot use link as it must look like ${SHAPE}, or HOST alone: it begins with ${scheme[0]}`,
    );
  }
  const rest = scheme ? trimmed.slice(SCHEME.length) : trimmed;
  const [, authority = "", path, fragment] = /^([^/#]*)(?:\/([^#]*))?(?:#(.*))?$/s.exec(rest) ?? [];
  const joinCode = path?.replace(/\/$/, "");
  if (joinCode && !JOIN_CODE.test(joinCode)) {
    throw new UsageError(
      `Cannot use link as its join code must be letters, digits, - and _: it has ${quote(joinCode)}`,
    );
  }
  return {
    ...parseHostAndPort(authority),
    ...(joinCode ? { joinCode } : {}),
    ...(fragment ? { fingerprint: parseFingerprint(fragment) } : {}),
  };
}

/**
 * Whether a text has the form of a server: a link, an address, a name with a dot or a port, or `localhost`. A bare word may be
 * a server's name as well, but it is rather a command.
 */
export function looksLikeServer(text: string): boolean {
  const typed = text.trim();
  if (/\s/.test(typed)) return holdsInviteLink(typed);
  return /[.:]/.test(typed) || typed.toLowerCase() === "localhost";
}

/** Whether there is a link in a text, such as a line that was copied with the words around it. */
export function holdsInviteLink(text: string): boolean {
  return LINK.test(text);
}

function linkIn(text: string): string {
  return LINK.exec(text)?.[0] ?? text;
}

/**
 * Writes an invite link.
 * @param link Its parts; the port is always written, so that the link stays right if the default changes.
 * @returns The link; {@linkcode parseInviteLink} gives the same parts back.
 */
export function formatInviteLink(link: InviteLink): string {
  const code = link.joinCode === undefined ? "" : `/${link.joinCode}`;
  const key = link.fingerprint === undefined ? "" : `#${link.fingerprint}`;
  return `${SCHEME}${formatHostAndPort(link.host, link.port)}${code}${key}`;
}

/**
 * Reads `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `[IPV6]` or a bare IPv6 address that cannot be read as one with a port.
 * @returns The host in lower case, in ASCII, an IPv6 address as RFC 5952 has it, without brackets or a dot at its end, and the port, 7667 where none was given.
 * @throws {UsageError} When the host or the port is wrong.
 */
export function parseHostAndPort(text: string): { host: string; port: number } {
  const typed = text.trim();
  if (typed === "") {
    throw new UsageError(`Cannot find the server as no host was given: type HOST or ${SHAPE}`);
  }
  // Behind a % is the name of an interface, and no port: for that there are brackets.
  if (isIPv6(typed) && !/%.*:/.test(typed)) {
    checkHasNoPort(typed);
    return { host: normalizeAddress(typed.toLowerCase()), port: DEFAULT_PORT };
  }
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:\[\]]*))(?::(.*))?$/s.exec(typed) ?? [];
  const host = withoutLastDot(inAscii((bracketed ?? plain ?? "").toLowerCase()));
  const isGood = bracketed === undefined ? HOST_NAME.test(host) && !portText?.includes(":") : isIPv6(host);
  if (!isGood) {
    throw new UsageError(
      `Cannot find the server as its host must be a name or an address (IPv6 with a port as [2001:db8::1]:7667): received ${
        quote(typed)
      }`,
    );
  }
  // An IPv6 address has many spellings, and it is one server that is known by them all.
  const port = portText === undefined ? DEFAULT_PORT : parsePort(portText);
  return { host: bracketed === undefined ? host : normalizeAddress(host), port };
}

/**
 * Refuses an IPv6 address that can be read as a shorter one with a port behind it: `2001:db8::1:7667`, but not `2001:db8::1`.
 * @throws {UsageError} The sentence says how each of the two is written.
 */
function checkHasNoPort(address: string): void {
  const [, shorter = "", port = ""] = /^(.*):([1-9]\d*)$/.exec(address) ?? [];
  if (!isIPv6(shorter)) return;
  throw new UsageError(
    `Cannot tell whether the ${port} of ${address} is a port: write [${shorter}]:${port} if it is, else [${address}]`,
  );
}

/** A name in any script as name servers and certificates have it (UTS #46); what cannot be one stays no name. */
function inAscii(host: string): string {
  return /\P{ASCII}/u.test(host) ? domainToASCII(host) : host;
}

/** A dot at the end says that the name is whole (RFC 1034 §3.1), as one with dots in it is taken to be anyhow. */
function withoutLastDot(host: string): string {
  return host.endsWith(".") && host.indexOf(".") < host.length - 1 ? host.slice(0, -1) : host;
}

/**
 * Writes the fingerprint of a key.
 * @param digest SHA-256 of the key's DER SubjectPublicKeyInfo, 32 bytes.
 * @returns `SHA256:` and 43 characters of base64url.
 */
export function formatFingerprint(digest: Uint8Array): string {
  return FINGERPRINT_PREFIX + digest.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Reads a fingerprint as people paste it: with or without the prefix, in base64 or base64url, padded or not, or as
 * 64 hexadecimal digits with or without colons. Two fingerprints are the same key when this gives the same string.
 * @returns The form that {@linkcode formatFingerprint} writes.
 * @throws {UsageError} When it is none.
 */
export function parseFingerprint(text: string): string {
  const bare = text.trim().replace(/^sha-?256:/i, "");
  const digest = decodeDigest(bare);
  if (digest?.length !== 32) {
    throw new UsageError(
      `Cannot use fingerprint as it must be ${FINGERPRINT_PREFIX} and 43 characters: received ${quote(text)}`,
    );
  }
  return formatFingerprint(digest);
}

function decodeDigest(text: string): Uint8Array | undefined {
  try {
    if (/^(?:[0-9a-f]{2}:?){32}$/i.test(text)) return Uint8Array.fromHex(text.replaceAll(":", ""));
    return Uint8Array.fromBase64(text.replaceAll("+", "-").replaceAll("/", "_"), { alphabet: "base64url" });
  } catch {
    return undefined;
  }
}
