/**
 * Join codes: the one that the server prints at its start, and how codes are made.
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Invite, OperatorStore } from "../chat/operator_store.ts";

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

/** Whether somebody could register with an invite now. */
export function isOpen(invite: Invite, now: number): boolean {
  return invite.revokedAt === null && (invite.expiresAt === null || invite.expiresAt > now) &&
    (invite.maxUses === null || invite.uses < invite.maxUses);
}

/** The join code of the printed link: the same at every start, until it is revoked; then a new one. */
export async function printedJoinCode(store: OperatorStore, now: number): Promise<string> {
  const invites = await store.listInvites();
  const known = invites.find((invite) => invite.note === PRINTED_NOTE && isOpen(invite, now));
  if (known) return known.code;
  const made = { code: newJoinCode(), maxUses: null, expiresAt: null, note: PRINTED_NOTE };
  return (await store.createInvite(made)).code;
}
