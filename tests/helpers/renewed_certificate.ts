/**
 * Certificates that a server's operator has renewed.
 * @module
 */
import { CERTIFICATE_NAME, type Identity } from "../../lib/net/identity.ts";

/**
 * Makes a new certificate for an old key.
 *
 * @param name Name in it; another one than before is what makes the new certificate count.
 */
export async function renew(identity: Identity, name = CERTIFICATE_NAME): Promise<Identity> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const der = x509.PemConverter.decode(identity.privateKeyPem)[0]!;
  const privateKey = await crypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
  const publicKey = await new x509.X509Certificate(identity.certificatePem).publicKey.export(algorithm, [
    "verify",
  ]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "7f01",
    name: `CN=${name}`,
    notBefore: new Date("2020-01-01"),
    notAfter: new Date("2090-01-01"),
    keys: { privateKey, publicKey },
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }])],
  });
  return { ...identity, certificatePem: certificate.toString("pem") + "\n" };
}
