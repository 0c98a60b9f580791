import { Connection } from "../net/connection.ts";
import { RpcConnection, type RpcOptions } from "../net/rpc_connection.ts";
import { connectPinned, connectVerified } from "../net/trust.ts";
import type { KnownServer, Profile } from "../profile/profile.ts";

/** Where the pins of servers are kept. */
export type Pins = Pick<Profile, "certificateOf" | "renewCertificate">;

/** Connects with TLS: to the pinned key, or to a certificate that the system's authorities vouch for. */
export async function reachServer(
  server: KnownServer,
  pins: Pins,
  options: RpcOptions,
  signal?: AbortSignal,
): Promise<RpcConnection> {
  const { host, port } = server;
  const abort = signal === undefined ? {} : { signal };
  const certificatePem = pins.certificateOf(server);
  const stream = certificatePem === null
    ? await connectVerified({ host, port, ...abort })
    : await connectPinned({
      host,
      port,
      certificatePem,
      onRenewed: (renewed) => pins.renewCertificate(server, renewed),
      ...abort,
    });
  return new RpcConnection(new Connection(stream), { ...options, nudges: true });
}
