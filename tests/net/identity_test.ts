import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { UsageError } from "../../lib/errors.ts";
import {
  CERTIFICATE_FILE,
  CERTIFICATE_NAME,
  createEphemeralIdentity,
  fingerprintOf,
  KEY_FILE,
  loadIdentity,
  loadOrCreateIdentity,
} from "../../lib/net/identity.ts";
import { testIdentity } from "../helpers/socket_pair.ts";

/** What `openssl req -x509` makes when it is told no more; clients refuse it (`CaUsedAsEndEntity`). */
async function makeAuthority(): Promise<{ certificate: string; key: string }> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=chat.example.org",
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { certificate: certificate.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
}

/** Runs with a folder that is gone afterwards. */
async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-identity-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("loadOrCreateIdentity() makes a key once, readable by its owner only", () =>
  withFolder(async (folder) => {
    const first = await loadOrCreateIdentity(folder);
    const second = await loadOrCreateIdentity(folder);
    assert.deepEqual(second, first);
    assert.match(first.fingerprint, /^SHA256:[A-Za-z0-9_-]{43}$/);
    const files = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assert.deepEqual(files.sort(), [
      CERTIFICATE_FILE,
      KEY_FILE,
    ]);
    if (Deno.build.os !== "windows") {
      assert.equal((await Deno.stat(join(folder, KEY_FILE))).mode! & 0o777, 0o600);
    }
  }));

Deno.test("loadOrCreateIdentity() makes a new pair when an earlier first start died before its key", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, CERTIFICATE_FILE), (await testIdentity()).certificatePem);
    const identity = await loadOrCreateIdentity(folder);
    assert.equal(identity.fingerprint, await fingerprintOf(identity.certificatePem));
  }));

Deno.test("loadOrCreateIdentity() never overwrites a key that it cannot use", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, KEY_FILE), "precious");
    await assert.rejects(loadOrCreateIdentity(folder), UsageError);
    assert.equal(await Deno.readTextFile(join(folder, KEY_FILE)), "precious");
  }));

Deno.test("loadOrCreateIdentity() makes a lost certificate anew for the same key, and says so", () =>
  withFolder(async (folder) => {
    const made: string[] = [];
    const first = await loadOrCreateIdentity(folder, (file) => made.push(file));
    await Deno.remove(join(folder, CERTIFICATE_FILE));
    const again = await loadOrCreateIdentity(folder, (file) => made.push(file));
    assert.deepEqual(made, [KEY_FILE, CERTIFICATE_FILE]);
    assert.equal(again.fingerprint, first.fingerprint);
    assert.equal(again.privateKeyPem, first.privateKeyPem);
    assert.deepEqual(await loadOrCreateIdentity(folder), again);

    await Deno.remove(join(folder, CERTIFICATE_FILE));
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    await Deno.writeTextFile(
      join(folder, KEY_FILE),
      String(privateKey.export({ type: "pkcs8", format: "pem" })),
    );
    await assert.rejects(
      loadOrCreateIdentity(folder),
      /Cannot make a certificate for .*server\.key as it is no P-256 key/,
    );
  }));

Deno.test("createEphemeralIdentity() makes a P-256 certificate for one name that is no authority and does not expire", async () => {
  const [one, two] = await Promise.all([createEphemeralIdentity(), createEphemeralIdentity()]);
  const certificate = new X509Certificate(one.certificatePem);
  assert.equal(certificate.subjectAltName, `DNS:${CERTIFICATE_NAME}`);
  assert.equal(certificate.ca, false);
  assert.equal(new Date(certificate.validTo).getUTCFullYear(), 9999);
  assert.ok(Date.parse(certificate.validFrom) <= 0, "good on a machine whose clock was never set");
  assert.notEqual(certificate.serialNumber, new X509Certificate(two.certificatePem).serialNumber);
  assert.notEqual(one.fingerprint, two.fingerprint);
  assert.equal(await fingerprintOf(certificate.raw), one.fingerprint);
});

Deno.test("loadIdentity() names the file that cannot be used", () =>
  withFolder(async (folder) => {
    const [own, other] = await Promise.all([testIdentity(), createEphemeralIdentity()]);
    const path = (name: string) => join(folder, name);
    await Deno.writeTextFile(path("own.crt"), own.certificatePem);
    await Deno.writeTextFile(path("own.key"), own.privateKeyPem);
    await Deno.writeTextFile(path("other.key"), other.privateKeyPem);
    await Deno.writeTextFile(path("junk"), "junk");
    const authority = await makeAuthority();
    await Deno.writeTextFile(path("authority.crt"), authority.certificate);
    await Deno.writeTextFile(path("authority.key"), authority.key);
    assert.deepEqual(await loadIdentity(path("own.crt"), path("own.key")), own);
    const cases: [string, string, RegExp][] = [
      ["missing.crt", "own.key", /^Cannot read certificate file .*missing\.crt/],
      ["own.crt", "missing.key", /^Cannot read private key file .*missing\.key/],
      ["junk", "own.key", /^Cannot use .*junk as it must hold a certificate in PEM/],
      ["own.crt", "junk", /^Cannot use .*junk as it must hold a private key in PEM/],
      ["own.key", "own.crt", /as it must hold a certificate in PEM/],
      [
        "own.crt",
        "other.key",
        /^Cannot use certificate .*own\.crt, which is for key SHA256:\S+, as .*other\.key holds another one: SHA256:\S+$/,
      ],
    ];
    cases.push([
      "authority.crt",
      "authority.key",
      /authority\.crt as it is an authority's .*: make it with CA:FALSE/,
    ]);
    for (const [certificate, key, message] of cases) {
      await assert.rejects(loadIdentity(path(certificate), path(key)), (error: Error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        return true;
      });
    }
  }));
