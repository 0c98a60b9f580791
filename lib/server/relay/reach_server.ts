// How a server reaches the side door of another one of its community: by TLS pinned to the key that all of them share.
import { parseHostAndPort } from "../../addresses.ts";
import { UsageError } from "../../errors.ts";
import type { ByteStream } from "../../net/byte_stream.ts";
import type { Identity } from "../../net/identity.ts";
import { connectPinned } from "../../net/trust.ts";
import { SIDE_ALPN } from "../../protocol/limits.ts";

const REACH_WITHIN_MS = 5_000; // the caller waits 15 s for the other side, which has to come there too

/** Connects within 5 s. Throws a `ConnectionError`, or a `TrustError` where somebody without the key answers. */
export async function reachServer(
  { certificatePem }: Identity,
  relayAddress: string,
  signal: AbortSignal,
): Promise<ByteStream> {
  const place = parseHostAndPort(relayAddress);
  if (!place) throw new UsageError(`Cannot reach ${relayAddress}: a relay address is a host and a port`);
  return await connectPinned({
    ...place,
    certificatePem,
    alpnProtocols: [SIDE_ALPN],
    timeoutMs: REACH_WITHIN_MS,
    signal,
  });
}
