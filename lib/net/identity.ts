// Makes, keeps and loads the key and the certificate of a listening side.
// What others trust is the key, by its fingerprint; the certificate only carries it through TLS. So the certificate is
// self-signed, no authority for others, under one name that is never looked up, and does not expire.
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { messageOf, systemReasonOf, UsageError } from "../errors.ts";
import { formatFingerprint } from "../protocol/invite_link.ts";
import { writeWhole } from "../sync_folder.ts";

export interface Identity {
  readonly certificatePem: string; // the certificate, and those of its issuers if there are any, in PEM
  readonly privateKeyPem: string; // the private key in PEM (PKCS #8 where we made it). Secret: never log it
  readonly fingerprint: string; // SHA-256 of the public key, as `formatFingerprint` writes it
}

/** The name in every certificate we make; `.internal` is reserved, so no authority can vouch for another. */
export const CERTIFICATE_NAME: string = "mini-chat.internal";

export const KEY_FILE: string = "server.key";
export const CERTIFICATE_FILE: string = "server.crt";

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };

// Trust comes from the pin, so the dates only must not get in the way, whatever a caller's clock says.
// RFC 5280 §4.1.2.5: 9999-12-31 is for certificates that have no expiry.
const VALID_FROM = new Date(0); // what a clock shows that was never set
const VALID_TO = new Date("9999-12-31T23:59:59Z");

/**
 * The identity of a server whose operator brought none: loaded, or made on the first start. A certificate that is gone is made
 * anew for its key, which is what clients know.
 * @param onMade Told which file was made. Of a key, its certificate is made with it, and not told of.
 * @returns The identity. Two starts with the same folder have the same fingerprint.
 * @throws {UsageError} When the files are there but cannot be used; they are never overwritten.
 */
export async function loadOrCreateIdentity(
  folder: string,
  onMade: (file: typeof KEY_FILE | typeof CERTIFICATE_FILE) => void = () => {},
): Promise<Identity> {
  const keyPath = join(folder, KEY_FILE);
  const certificatePath = join(folder, CERTIFICATE_FILE);
  if (!await exists(keyPath)) {
    const identity = await createEphemeralIdentity();
    // The key comes last: a start that dies in between leaves no key, and the next one makes a new pair.
    await writeIdentityFile(certificatePath, identity.certificatePem, 0o644);
    await writeIdentityFile(keyPath, identity.privateKeyPem, 0o600);
    onMade(KEY_FILE);
  }
  if (!await exists(certificatePath)) {
    const keys = await keyPairOf(await readPem(keyPath, "private key"), keyPath);
    await writeIdentityFile(certificatePath, await certificateFor(keys), 0o644);
    onMade(CERTIFICATE_FILE);
  }
  return await loadIdentity(certificatePath, keyPath);
}

/**
 * An identity from an operator's own files (`--cert`, `--key`).
 * @param certificatePath PEM file: the certificate first, then its issuers' without the root.
 * @param keyPath PEM file of its private key, not encrypted.
 * @throws {UsageError} When a file cannot be read or is not what it should be, or the two do not belong together.
 */
export async function loadIdentity(certificatePath: string, keyPath: string): Promise<Identity> {
  const certificatePem = await readPem(certificatePath, "certificate");
  const privateKeyPem = await readPem(keyPath, "private key");
  return await identityFrom({ certificatePem, certificatePath, privateKeyPem, keyPath });
}

/** What {@linkcode loadIdentity} says of files that were read, or of what came from elsewhere: the paths are for words alone. */
export async function identityFrom(
  { certificatePem, certificatePath, privateKeyPem, keyPath }: Omit<Identity, "fingerprint"> & {
    readonly certificatePath: string;
    readonly keyPath: string;
  },
): Promise<Identity> {
  const { certificate, certificateKey } = parsePem(certificatePath, "certificate", () => {
    const certificate = new X509Certificate(certificatePem);
    return { certificate, certificateKey: publicKeyOf(certificate) };
  });
  const privateKey = parsePem(keyPath, "private key", () => {
    return createPublicKey(createPrivateKey(privateKeyPem)).export({ type: "spki", format: "der" });
  });
  if (!certificateKey.equals(privateKey)) {
    const [ofCertificate, ofKey] = await Promise.all([certificateKey, privateKey].map(fingerprintOfKey));
    throw new UsageError(
      `Cannot use certificate ${certificatePath}, which is for key ${ofCertificate}, as ${keyPath} holds another one: ${ofKey}`,
    );
  }
  if (certificate.ca) {
    throw new UsageError(
      `Cannot use certificate ${certificatePath} as it is an authority's (basicConstraints CA:TRUE), which no client takes for ` +
        "a server's: make it with CA:FALSE, as by openssl req -x509 -addext basicConstraints=critical,CA:FALSE " +
        `-addext subjectAltName=DNS:${CERTIFICATE_NAME}`,
    );
  }
  return { certificatePem, privateKeyPem, fingerprint: await fingerprintOf(certificatePem) };
}

/** A new key (P-256, ECDSA with SHA-256) and its self-signed certificate, in memory only: for a direct chat, or to be saved. */
export async function createEphemeralIdentity(): Promise<Identity> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const certificatePem = await certificateFor(keys);
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return {
    certificatePem,
    privateKeyPem: String(key.export({ type: "pkcs8", format: "pem" })),
    fingerprint: await fingerprintOf(certificatePem),
  };
}

/** A self-signed certificate in PEM. */
async function certificateFor(keys: CryptoKeyPair): Promise<string> {
  // Loaded here since it takes 0.1 s, and most runs of the programs make no certificate.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerialNumber(),
    name: `CN=${CERTIFICATE_NAME}`,
    notBefore: VALID_FROM,
    notAfter: VALID_TO,
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: CERTIFICATE_NAME }]),
    ],
  });
  return certificate.toString("pem") + "\n";
}

/** The key of a file that we made, and its public half. */
async function keyPairOf(privateKeyPem: string, path: string): Promise<CryptoKeyPair> {
  const key = parsePem(path, "private key", () => createPrivateKey(privateKeyPem));
  const pkcs8 = Uint8Array.from(key.export({ type: "pkcs8", format: "der" }));
  const spki = Uint8Array.from(createPublicKey(key).export({ type: "spki", format: "der" }));
  try {
    const [privateKey, publicKey] = await Promise.all([
      crypto.subtle.importKey("pkcs8", pkcs8, KEY_ALGORITHM, true, ["sign"]),
      crypto.subtle.importKey("spki", spki, KEY_ALGORITHM, true, ["verify"]),
    ]);
    return { privateKey, publicKey };
  } catch (cause) {
    const words =
      `Cannot make a certificate for ${path} as it is no P-256 key: put its certificate back beside it`;
    throw new UsageError(words, { cause });
  }
}

/** The fingerprint of a certificate's key, as `formatFingerprint` writes it; a renewed one with the same key has the same. */
export async function fingerprintOf(certificate: string | Uint8Array): Promise<string> {
  return await fingerprintOfKey(publicKeyOf(new X509Certificate(certificate)));
}

async function fingerprintOfKey(spki: Uint8Array): Promise<string> {
  return formatFingerprint(new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(spki))));
}

/** From when to when a certificate is good, in epoch milliseconds. */
export function certificateDates(certificatePem: string): { readonly from: number; readonly to: number } {
  const { validFrom, validTo } = new X509Certificate(certificatePem);
  return { from: Date.parse(validFrom), to: Date.parse(validTo) };
}

function publicKeyOf(certificate: X509Certificate): Uint8Array & { equals(other: Uint8Array): boolean } {
  return certificate.publicKey.export({ type: "spki", format: "der" });
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets, and here random, so that no two certificates share one. */
function makeSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toHex();
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new UsageError(`Cannot look for ${path}: ${systemReasonOf(error)}`, { cause: error });
  }
}

async function writeIdentityFile(path: string, text: string, mode: number): Promise<void> {
  try {
    await writeWhole(path, text, mode);
  } catch (error) {
    throw new UsageError(`Cannot save ${path}: ${systemReasonOf(error)}`, { cause: error });
  }
}

async function readPem(path: string, what: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const isForbidden = error instanceof Deno.errors.PermissionDenied;
    const reason = isForbidden
      ? "no permission; run this as the user that it belongs to"
      : systemReasonOf(error);
    throw new UsageError(`Cannot read ${what} file ${path}: ${reason}`, { cause: error });
  }
}

function parsePem<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(`Cannot use ${path} as it must hold a ${what} in PEM: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
