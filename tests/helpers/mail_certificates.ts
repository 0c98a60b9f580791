/**
 * Certificates for mail tests: a CA made for one run, and servers that it vouches for.
 * @module
 */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 24 * 60 * 60 * 1000;

/** A certificate and its private key, as PEM. */
export interface TestCertificate {
  /** The certificate. */
  readonly cert: string;
  /** The private key, PKCS #8. */
  readonly key: string;
}

/** A CA that can vouch for servers. */
export interface TestAuthority {
  /** Its own certificate, as PEM: what `--ca` takes. */
  readonly caPem: string;
  /** Makes a certificate for host names. */
  issue(...hosts: string[]): Promise<TestCertificate>;
}

/** Makes a CA that nobody else trusts. */
export async function makeAuthority(): Promise<TestAuthority> {
  const keys = await makeKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Mini-Chat test CA",
    keys,
    signingAlgorithm: ALGORITHM,
    ...lifetime(),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    caPem: ca.toString("pem"),
    async issue(...hosts) {
      const own = await makeKeys();
      const names = hosts.map((value) => ({
        type: /^[\d.]+$/.test(value) ? "ip" as const : "dns" as const,
        value,
      }));
      const cert = await x509.X509CertificateGenerator.create({
        subject: "CN=Mini-Chat test server",
        issuer: ca.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        ...lifetime(),
        extensions: [new x509.SubjectAlternativeNameExtension(names)],
      });
      const key = await crypto.subtle.exportKey("pkcs8", own.privateKey);
      return { cert: cert.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
    },
  };
}

async function makeKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as CryptoKeyPair;
}

function lifetime() {
  return { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
}
