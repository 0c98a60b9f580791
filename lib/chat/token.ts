/**
 * Session tokens: what lets a device come back without its password.
 * @module
 */
import { createHash, randomBytes } from "node:crypto";

/** 256 random bits. */
const TOKEN_BYTES = 32;

/** Makes a token, in base64url. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/** SHA-256 of a token, in hex: what the store keeps. A token is random enough to need no salt. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
