/**
 * One connection to a server that is trusted already.
 * @module
 */
import { Connection } from "../net/connection.ts";
import { RpcConnection, type RpcOptions } from "../net/rpc_connection.ts";
import { connectPinned, connectVerified } from "../net/trust.ts";
import type { KnownServer } from "../store/profile.ts";

/**
 * Connects with TLS: to the pinned key, or to a certificate that the system's authorities vouch for.
 *
 * @throws {LinkError} when it cannot be reached.
 * @throws {TrustError} when its key is not the one that was pinned.
 */
export async function reachServer(
  server: KnownServer,
  options: RpcOptions,
  signal?: AbortSignal,
): Promise<RpcConnection> {
  const { host, port, certificate } = server;
  const abort = signal === undefined ? {} : { signal };
  const stream = certificate === null
    ? await connectVerified({ host, port, ...abort })
    : await connectPinned({ host, port, certificatePem: certificate, ...abort });
  return new RpcConnection(new Connection(stream), { ...options, nudges: true });
}
