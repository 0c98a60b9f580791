import type { RpcConnection } from "../../net/rpc_connection.ts";
import type { Route } from "../../protocol/peer_messages.ts";
import { VERSION } from "../../version.ts";
import { channelKey, comparisonCode, type ProofContext } from "./proof.ts";

export const CLIENT_LABEL = `mini-chat ${VERSION}`;
/** How long a caller has from the end of its TLS handshake to its proof, in milliseconds. */
export const GREET_TIMEOUT_MS = 5_000;
export const LINK_CONNECTION = {
  // Over the channel's window, so that two who send files to each other do not both stop reading.
  backlogBytes: 3 * 1024 * 1024,
  maxQueuedBytes: 6 * 1024 * 1024,
  stallTimeoutMs: 20_000,
} as const;

export const LINK_RPC = {
  quietMs: 2_500, // silence after which the other side is asked
  deadMs: 8_000, // silence after which the link is dead
  maxPendingRequests: 64, // more than the other side's window, so that a well-behaved one is never paused
} as const;

export interface LinkSecrets {
  readonly chatId: string;
  /** The host's certificate in PEM: its own, or the one that TLS was checked against. */
  readonly certificatePem: string;
  readonly secret: string;
  readonly channelKey: string | undefined; // key of the channel; undefined before the first link was taken
}

export interface ChatTerms {
  readonly channelKey: string; // proves later links
  readonly code: string; // what both persons compare
  readonly theirClient: string; // name and version of the other side's program; not filtered for a terminal
}

export type LinkServer = (method: string, params: unknown) => unknown;

/** One connection on which both have proven what they must, in use. What is said on it belongs to the channel. */
export interface PeerLink {
  readonly rpc: RpcConnection;
  readonly route: Route;
  readonly theirReceived: number; // highest `seq` of ours that the other side had when the link was made
  /** Says who answers from now on; requests that came earlier are handed over in their order. */
  readonly serve: (server: LinkServer) => void;
}

export function contextOf({ chatId, certificatePem, secret, channelKey }: LinkSecrets): ProofContext {
  return { chatId, certificatePem, key: channelKey ?? secret };
}

export function termsOf(
  context: ProofContext,
  hostNonce: string,
  joinerNonce: string,
  theirClient: string,
): ChatTerms {
  return {
    channelKey: channelKey(context, hostNonce, joinerNonce),
    code: comparisonCode(context, hostNonce, joinerNonce),
    theirClient,
  };
}
