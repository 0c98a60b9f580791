/**
 * Two ends of one real socket on loopback.
 * @module
 */
import { CERTIFICATE_NAME, createEphemeralIdentity, type Identity } from "../../lib/net/identity.ts";

let identity: Promise<Identity> | undefined;

/** One key and certificate for all tests of this process: making one takes 0.1 s. */
export function testIdentity(): Promise<Identity> {
  return identity ??= createEphemeralIdentity();
}

/** A plain TCP connection and both its ends; small socket buffers are the system's affair. */
export async function openTcpPair(): Promise<[near: Deno.TcpConn, far: Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [near, far] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  return [near, far];
}

/** A TLS connection and both its ends, handshake done: first the one that called, then the one that listened. */
export async function openTlsPair(): Promise<[near: Deno.TlsConn, far: Deno.TlsConn]> {
  const { certificatePem, privateKeyPem } = await testIdentity();
  using listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: certificatePem,
    key: privateKeyPem,
  });
  const accepted = listener.accept().then(async (far) => {
    await far.handshake();
    return far;
  });
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port });
  const near = await Deno.startTls(socket, { hostname: CERTIFICATE_NAME, caCerts: [certificatePem] });
  await near.handshake();
  return [near, await accepted];
}
