import assert from "node:assert/strict";
import { createServer } from "node:net";
import { ConnectionError, TrustError } from "../../lib/errors.ts";
import { dial } from "../../lib/net/dial.ts";
import {
  CERTIFICATE_NAME,
  createEphemeralIdentity,
  fingerprintOf,
  type Identity,
} from "../../lib/net/identity.ts";
import { Listener } from "../../lib/net/listener.ts";
import {
  connectPinned,
  connectVerified,
  fetchCertificate,
  verifyWithSystemRoots,
} from "../../lib/net/trust.ts";
import { freePort } from "../helpers/ports.ts";
import { renew } from "../helpers/renewed_certificate.ts";
import { testIdentity } from "../helpers/socket_pair.ts";

const host = "127.0.0.1";

/** A server with this identity, that hangs up on everyone it has greeted. */
function startServer(identity: Identity, port = 0): Listener {
  return Listener.listen({
    host,
    port,
    identity,
    onConnection: (connection) => connection.readLines().then(() => connection.close()),
  });
}

Deno.test("fetchCertificate() reads the certificate of a server that nobody vouches for", async () => {
  const identity = await testIdentity();
  await using server = startServer(identity);
  const certificatePem = await fetchCertificate({ host, port: server.port });
  assert.equal(await fingerprintOf(certificatePem), identity.fingerprint);
  assert.equal(await verifyWithSystemRoots({ host, port: server.port }), false);
  await assert.rejects(connectVerified({ host, port: server.port }), TrustError);
  const connection = await connectPinned({ host, port: server.port, certificatePem });
  connection.close();
});

Deno.test("connectPinned() refuses a changed key, and shows both", async () => {
  const [old, now] = [await testIdentity(), await createEphemeralIdentity()];
  await using server = startServer(now);
  await assert.rejects(
    connectPinned({ host, port: server.port, certificatePem: old.certificatePem }),
    (error: Error) => {
      assert.ok(error instanceof TrustError);
      assert.ok(
        error.message.includes(old.fingerprint) && error.message.includes(now.fingerprint),
        error.message,
      );
      return true;
    },
  );
});

Deno.test("connectPinned() trusts a renewed certificate with the same key", async () => {
  const identity = await testIdentity();
  for (const name of [CERTIFICATE_NAME, "chat.example.org"]) {
    const renewed = await renew(identity, name);
    assert.notEqual(renewed.certificatePem, identity.certificatePem);
    await using server = startServer(renewed);
    let kept = identity.certificatePem;
    const connection = await connectPinned({
      host,
      port: server.port,
      certificatePem: identity.certificatePem,
      onRenewed: (certificatePem) => kept = certificatePem,
    });
    connection.close();
    // A new certificate of our own kind passes unseen; under another name it must be kept to be found again.
    assert.equal(await fingerprintOf(kept), identity.fingerprint);
    if (name !== CERTIFICATE_NAME) assert.equal(kept.trim(), renewed.certificatePem.trim());
    (await connectPinned({ host, port: server.port, certificatePem: kept })).close();
  }
});

Deno.test("connectPinned() says in words why a server cannot be reached", async () => {
  const { certificatePem } = await testIdentity();
  const talker = createServer((socket) => socket.on("error", () => {}).end("220 mail.example.org ESMTP\r\n"));
  const silent = createServer(() => {});
  const ports = await Promise.all([talker, silent].map((server) =>
    new Promise<number>((resolve) => {
      server.listen(0, host, () => resolve((server.address() as { port: number }).port));
    })
  ));
  const cases: [string, number, RegExp][] = [
    [host, freePort(), /^Cannot reach 127\.0\.0\.1:\d+: nothing listens there/],
    [
      "no-such-host.invalid",
      7667,
      /^Cannot reach no-such-host\.invalid:7667: (no machine has this name|the name cannot)/,
    ],
    [host, ports[0]!, /answers, but does not speak TLS/],
    [
      host,
      ports[1]!,
      /^Cannot talk to 127\.0\.0\.1:\d+: it takes calls, but .* no answer within 0\.2 s; something on the way/,
    ],
  ];
  for (const [name, port, message] of cases) {
    for (const attempt of [connectPinned, fetchCertificate, verifyWithSystemRoots]) {
      await assert.rejects(attempt({ host: name, port, certificatePem, timeoutMs: 200 }), (error: Error) => {
        assert.ok(error instanceof ConnectionError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
  }
  talker.close();
  silent.close();
});

Deno.test("connectPinned() is called off by its signal, with the signal's reason", async () => {
  const { certificatePem } = await testIdentity();
  using silent = Deno.listen({ hostname: host, port: 0 });
  const accepted = silent.accept();
  const stop = new AbortController();
  const connecting = connectPinned({ host, port: silent.addr.port, certificatePem, signal: stop.signal });
  const socket = await accepted;
  stop.abort(new Error("changed my mind"));
  await assert.rejects(connecting, { message: "changed my mind" });
  await assert.rejects(dial({ host, port: 1, signal: stop.signal }), { message: "changed my mind" });
  socket.close();
});

Deno.test("a certificate that is refused is told about in words of ours", async () => {
  const { algorithm, keys, x509 } = await certificateTools();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=chat.example.org",
    keys,
    signingAlgorithm: algorithm,
    notAfter: new Date("2090-01-01"),
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "chat.example.org" }]),
      new x509.BasicConstraintsExtension(true, undefined, true),
    ],
  });
  const certificatePem = authority.toString("pem");
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const privateKeyPem = x509.PemConverter.encode(pkcs8, "PRIVATE KEY");
  const identity = { certificatePem, privateKeyPem, fingerprint: await fingerprintOf(certificatePem) };
  await using server = startServer(identity);
  const { port } = server;
  await using stranger = startServer(await testIdentity());
  await assert.rejects(
    connectVerified({ host, port: stranger.port }),
    /no authority vouches .*: nobody that this system trusts has signed it$/,
  );
  await assert.rejects(
    connectPinned({ host, port, certificatePem }),
    /its key is the known one: it is that of an authority, which is no server's; its operator/,
  );
});

async function certificateTools() {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  return { algorithm, keys, x509 };
}
