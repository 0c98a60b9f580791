// Join codes, the one that the server prints at its start among them, and the links around them.
import { randomBytes, X509Certificate } from "node:crypto";
import { networkInterfaces, scopeOf } from "../addresses.ts";
import type { OperatorStore } from "../chat/operator_store.ts";
import type { Identity } from "../net/identity.ts";
import { formatInviteLink } from "../protocol/invite_link.ts";

/** Marks the invite whose link the server prints; the operator sees it in `invite list`. */
const PRINTED_NOTE = "printed at start";

/**
 * Makes a join code: 96 random bits in base64url, too many to guess and short enough for a link. It never begins with a
 * hyphen: `invite revoke CODE` would take it for a flag.
 */
export function newJoinCode(): string {
  const code = randomBytes(12).toString("base64url");
  return code.startsWith("-") ? newJoinCode() : code;
}

/** The join code of the printed link: the same at every start, until it is revoked; then a new one. */
export async function printedJoinCode(store: OperatorStore): Promise<string> {
  const invites = await store.listInvites();
  const known = invites.find((invite) => invite.note === PRINTED_NOTE && invite.isOpen);
  if (known) return known.code;
  const code = newJoinCode();
  await store.createInvite({ code, maxUses: null, expiresAt: null, note: PRINTED_NOTE });
  return code;
}

/** The invite link of a server, with a join code where one is needed. A certificate of an authority needs no fingerprint in it. */
export function inviteLink(
  { host, port, identity }: { readonly host: string; readonly port: number; readonly identity: Identity },
  joinCode?: string,
): string {
  const certificate = new X509Certificate(identity.certificatePem);
  const isSelfSigned = certificate.issuer === certificate.subject;
  return formatInviteLink({
    host,
    port,
    ...(joinCode === undefined ? {} : { joinCode }),
    ...(isSelfSigned ? { fingerprint: identity.fingerprint } : {}),
  });
}

/**
 * The addresses at which a server that listens on `bound` can be reached, the most useful first.
 * @param bound `::` and `0.0.0.0` stand for all addresses of this machine.
 * @returns IP addresses; loopback only when there is nothing else. Link-local ones are left out: they need a zone.
 */
export function reachableAddresses(bound: string): string[] {
  if (bound !== "::" && bound !== "0.0.0.0") return [bound];
  const all = networkInterfaces()
    .filter(({ family }) => bound === "::" || family === "IPv4")
    .map(({ address }) => address);
  const useful = all.filter((address) => !["loopback", "link"].includes(scopeOf(address)));
  if (useful.length === 0) return ["127.0.0.1"];
  return useful.toSorted((a, b) => Number(a.includes(":")) - Number(b.includes(":"))); // IPv4 first
}
