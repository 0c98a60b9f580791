// How both sides of a direct chat prove the chat's secret, and get a code that a lying server cannot make equal.
// Pure computation. A proof covers the certificate that TLS was checked against, so it is worth nothing on a
// connection to any other key. The code covers the certificate and two nonces; the joiner is bound to its nonce before
// it sees the host's, so whoever stands in the middle has one blind guess, and no time to search (RFC 6189 §4.3 uses the same
// idea for calls).
import { Buffer } from "node:buffer";
import {
  createHash,
  createHmac,
  type Hash,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
  X509Certificate,
} from "node:crypto";

export interface ProofContext {
  readonly chatId: string;
  readonly certificatePem: string;
  readonly key: string;
}

/** Decimal digits of the code, shown in groups of three: one blind guess in a thousand million. */
const CODE_DIGITS = 9;

/** 256 random bits in base64url. */
export function makeNonce(): string {
  return randomBytes(32).toString("base64url");
}

/** A secret for one chat: 128 random bits in base64url. */
export function makeSecret(): string {
  return randomBytes(16).toString("base64url");
}

export function commitTo(nonce: string): string {
  return sha256(`mini-chat commitment\n${nonce}`).digest("base64url");
}

export function proveAsJoiner(context: ProofContext, commitment: string): string {
  return prove(context, "joiner", commitment);
}

export function proveAsHost(context: ProofContext, commitment: string, hostNonce: string): string {
  return prove(context, "host", commitment, hostNonce);
}

/** Proves, keyed with the channel's key, that a link which was greeted before the channel began belongs to it. */
export function proveResume(context: ProofContext, joinerNonce: string, hostNonce: string): string {
  return prove(context, "resume", joinerNonce, hostNonce);
}

/** Compares two proofs without telling by its time where they differ. */
export function isSameProof(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a).digest(), sha256(b).digest());
}

export function comparisonCode(context: ProofContext, hostNonce: string, joinerNonce: string): string {
  const bytes = derive(context, "code", hostNonce, joinerNonce, 8);
  const number = new DataView(bytes).getBigUint64(0) % 10n ** BigInt(CODE_DIGITS);
  return number.toString().padStart(CODE_DIGITS, "0").replace(/(\d{3})(?=\d)/g, "$1 ");
}

/** The key that proves later links of the same channel; the server never had what it is made of. Base64url. */
export function channelKey(context: ProofContext, hostNonce: string, joinerNonce: string): string {
  return Buffer.from(derive(context, "session", hostNonce, joinerNonce, 32)).toString("base64url");
}

function prove(context: ProofContext, role: string, ...parts: readonly string[]): string {
  const text = ["mini-chat proof", role, context.chatId, fingerprint(context), ...parts].join("\n");
  return createHmac("sha256", context.key).update(text).digest("base64url");
}

function derive(
  context: ProofContext,
  purpose: string,
  hostNonce: string,
  joinerNonce: string,
  length: number,
): ArrayBuffer {
  const salt = `${hostNonce}\n${joinerNonce}`;
  const info = ["mini-chat", purpose, context.chatId, fingerprint(context)].join("\n");
  return hkdfSync("sha256", context.key, salt, info, length);
}

function fingerprint({ certificatePem }: ProofContext): string {
  return sha256(new X509Certificate(certificatePem).raw).digest("hex");
}

function sha256(data: string | Uint8Array): Hash {
  return createHash("sha256").update(data);
}
