// Addresses as a person types them: several in a line, with or without names, checked before anything is sent.
// Parsing is nodemailer's; this file adds what makes an address wrong, said in words. RFC 5321 §4.5.3.1 sets the
// lengths, RFC 6531 allows any script before and after the `@`.
import addressparser from "nodemailer/lib/addressparser";

const MAX_LOCAL_BYTES = 64; // longest part before the `@`, in bytes of UTF-8 (RFC 5321 §4.5.3.1.1)
const MAX_DOMAIN_BYTES = 255; // longest domain, in bytes once written in ASCII (RFC 5321 §4.5.3.1.2)
const NO_AT = "it has no @";
const USER_NAME = /^[a-z0-9_.-]{1,32}$/; // the form of a Mini-Chat user name (protocol README, "Types")

export interface MailAddress {
  readonly name: string; // name to show; empty when there is none
  readonly address: string; // `local@domain`, as typed
}

export type Recipient =
  | ({ readonly kind: "address" } & MailAddress)
  | { readonly kind: "user"; readonly userName: string } // a word without `@`: a Mini-Chat user's name
  | { readonly kind: "problem"; readonly text: string; readonly reason: string }; // neither

/** Reads a list such as `Ann <ann@example.org>, bob@example.org; carol`: its items as typed, each address once. */
export function parseRecipients(text: string): Recipient[] {
  const items = new Map<string, Recipient>();
  for (const { name, address } of addressparser(text, { flatten: true })) {
    const item = readRecipient(name ?? "", address ?? "");
    if (item === null) continue;
    const key = item.kind === "address" ? canonicalAddress(item.address) : JSON.stringify(item);
    if (!items.has(key)) items.set(key, item);
  }
  return [...items.values()];
}

function readRecipient(name: string, address: string): Recipient | null {
  if (address === "" && name === "") return null;
  const bare = (address === "" ? name : address).trim();
  if (!bare.includes("@") && (address === "" || name === "") && USER_NAME.test(bare)) {
    return { kind: "user", userName: bare };
  }
  if (!bare.includes("@")) return { kind: "problem", text: name || bare, reason: NO_AT };
  const reason = findAddressFault(bare);
  if (reason !== null) return { kind: "problem", text: bare, reason };
  return { kind: "address", name: name.trim(), address: bare };
}

/** What is wrong with an address, in words for people; `null` when it can be written to. */
export function findAddressFault(address: string): string | null {
  const at = address.lastIndexOf("@");
  if (at < 0) return NO_AT;
  const local = address.slice(0, at);
  const domain = address.slice(at + 1);
  if (local === "") return "nothing comes before the @";
  if (domain === "") return "nothing comes after the @";
  // deno-lint-ignore no-control-regex
  if (/[\s\u0000-\u001f\u007f<>()[\]:;,\\"]/.test(local)) {
    return "the part before the @ has a space or a character that is not allowed there";
  }
  if (local.includes("@")) return "it has more than one @";
  if (/^\.|\.\.|\.$/.test(local)) return "the part before the @ has a misplaced dot";
  if (new TextEncoder().encode(local).length > MAX_LOCAL_BYTES) {
    return "the part before the @ is longer than 64 bytes";
  }
  return findDomainFault(domain);
}

function findDomainFault(domain: string): string | null {
  const ascii = toAsciiDomain(domain);
  if (ascii === null) return `"${domain}" is not a domain name`;
  if (ascii.length > MAX_DOMAIN_BYTES) return "the domain is longer than 255 bytes";
  const labels = ascii.split(".");
  if (labels.some((label) => !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))) {
    return `"${domain}" is not a domain name`;
  }
  if (labels.length === 1 && ascii !== "localhost") return `"${domain}" has no ending such as .org`;
  if (labels.length > 1 && /^[0-9]+$/.test(labels.at(-1) ?? "")) {
    return `"${domain}" is a number, not a domain name`;
  }
  return null;
}

/** The domain in ASCII, by the rules of the URL standard (UTS 46); `null` when it has none. */
function toAsciiDomain(domain: string): string | null {
  if (/[\s/?#@:%\\[\]]/.test(domain)) return null;
  return URL.parse(`http://${domain}/`)?.hostname ?? null;
}

/**
 * One spelling for addresses that reach the same mailbox for sure: the domain in lower-case ASCII. The part
 * before the `@` stays, as only its own server knows whether case matters there (RFC 5321 §2.4).
 */
export function canonicalAddress(address: string): string {
  const at = address.lastIndexOf("@");
  const domain = address.slice(at + 1);
  return `${address.slice(0, at)}@${toAsciiDomain(domain) ?? domain.toLowerCase()}`;
}

/** Writes an address the way that {@linkcode parseRecipients} reads back. */
export function formatAddress(address: MailAddress): string {
  if (address.name === "") return address.address;
  const name = /[,;:<>@"()\\[\]]/.test(address.name)
    ? `"${address.name.replace(/["\\]/g, (sign) => `\\${sign}`)}"`
    : address.name;
  return `${name} <${address.address}>`;
}
