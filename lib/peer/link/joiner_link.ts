import { ConnectionError, messageOf } from "../../errors.ts";
import type { Connection } from "../../net/connection.ts";
import { RpcConnection } from "../../net/rpc_connection.ts";
import { LINK_REQUESTS, PEER_PROTOCOL_VERSION, type Route } from "../../protocol/peer_messages.ts";
import { checked } from "../../protocol/requests.ts";
import {
  type ChatTerms,
  CLIENT_LABEL,
  contextOf,
  GREET_TIMEOUT_MS,
  LINK_RPC,
  type LinkSecrets,
  type LinkServer,
  type PeerLink,
  termsOf,
} from "./peer_link.ts";
import {
  commitTo,
  isSameProof,
  makeNonce,
  type ProofContext,
  proveAsHost,
  proveAsJoiner,
  proveResume,
} from "./proof.ts";

/** The joiner's side of a connection whose host has proven the secret; not in use yet (PEER.md, "Links"). */
export interface ProvenConnection {
  readonly rpc: RpcConnection;
  readonly context: ProofContext;
  readonly ownNonce: string;
  readonly hostNonce: string;
  readonly theirClient: string;
  readonly isResume: boolean;
  readonly serve: PeerLink["serve"];
}

/**
 * Greets the host and checks its proof.
 * @throws {ChatError} What the host refused with.
 * @throws {ConnectionError} When the other end has not the secret, or hung up.
 */
export async function proveToHost(connection: Connection, secrets: LinkSecrets): Promise<ProvenConnection> {
  const server = Promise.withResolvers<LinkServer>();
  const rpc = new RpcConnection(connection, {
    onRequest: (method, params) => server.promise.then((serve) => serve(method, params)),
    ...LINK_RPC,
  });
  try {
    const context = contextOf(secrets);
    const ownNonce = makeNonce();
    const commitment = commitTo(ownNonce);
    const isResume = secrets.channelKey !== undefined;
    const reply = await rpc.request("greet", {
      protocol: PEER_PROTOCOL_VERSION,
      client: CLIENT_LABEL,
      chatId: secrets.chatId,
      isResume,
      commitment,
      proof: proveAsJoiner(context, commitment),
    }, { timeoutMs: GREET_TIMEOUT_MS });
    const { client: theirClient, nonce: hostNonce, proof } = checked(
      LINK_REQUESTS.greet.result,
      reply,
      "the reply to greet",
    );
    if (!isSameProof(proof, proveAsHost(context, commitment, hostNonce))) {
      throw new ConnectionError("Cannot trust the other end: it does not have the secret of this chat");
    }
    return { rpc, context, ownNonce, hostNonce, theirClient, isResume, serve: server.resolve };
  } catch (error) {
    rpc.abort(messageOf(error));
    throw error;
  }
}

/** Puts this link in use; the first one of a channel comes with its terms. */
export async function takeLink(
  proven: ProvenConnection,
  route: Route,
  received: number,
  channelKey?: string,
): Promise<{ link: PeerLink; terms: ChatTerms | undefined }> {
  const { rpc, context, ownNonce, hostNonce, theirClient, isResume, serve } = proven;
  try {
    const reply = await rpc.request("take", {
      nonce: ownNonce,
      route,
      received,
      resume: channelKey === undefined || isResume
        ? undefined
        : proveResume({ ...context, key: channelKey }, ownNonce, hostNonce),
    }, { timeoutMs: GREET_TIMEOUT_MS });
    const { received: theirReceived } = checked(LINK_REQUESTS.take.result, reply, "the reply to take");
    const link = { rpc, route, theirReceived, serve };
    const terms = channelKey === undefined ? termsOf(context, hostNonce, ownNonce, theirClient) : undefined;
    return { link, terms };
  } catch (error) {
    rpc.abort(messageOf(error));
    throw error;
  }
}
