/**
 * The joiner's side of a link: it greets with a proof of the chat's secret, checks the host's own, and takes the link
 * into use (PEER.md, "Links").
 * @module
 */
import { ConnectionError, messageOf } from "../../errors.ts";
import type { Connection } from "../../net/connection.ts";
import { RpcConnection } from "../../net/rpc_connection.ts";
import { LINK_REQUESTS, PEER_PROTOCOL_VERSION, type Route } from "../../protocol/peer_messages.ts";
import { checked } from "../../protocol/requests.ts";
import {
  type ChatTerms,
  clientLabel,
  contextOf,
  GREET_TIMEOUT_MS,
  LINK_RPC,
  type LinkSecrets,
  type LinkServer,
  PeerLink,
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

/** The joiner's side of a connection whose host has proven the secret; not in use yet. */
export class ProvenConnection {
  readonly #rpc: RpcConnection;
  readonly #context: ProofContext;
  readonly #nonces: { readonly own: string; readonly host: string };
  readonly #theirClient: string;
  readonly #server = Promise.withResolvers<LinkServer>();
  readonly #isResume: boolean;

  private constructor(rpc: RpcConnection, made: {
    context: ProofContext;
    nonces: { own: string; host: string };
    theirClient: string;
    isResume: boolean;
    server: PromiseWithResolvers<LinkServer>;
  }) {
    this.#rpc = rpc;
    this.#context = made.context;
    this.#nonces = made.nonces;
    this.#theirClient = made.theirClient;
    this.#isResume = made.isResume;
    this.#server = made.server;
  }

  /**
   * Greets the host and checks its proof.
   *
   * @param connection A TLS connection that was checked against `secrets.certificatePem`.
   * @throws {ChatError} What the host refused with.
   * @throws {ConnectionError} When the other end has not the secret, or hung up.
   */
  static async prove(connection: Connection, secrets: LinkSecrets): Promise<ProvenConnection> {
    const server = Promise.withResolvers<LinkServer>();
    const rpc = new RpcConnection(connection, {
      onRequest: (method, params) => server.promise.then((serve) => serve(method, params)),
      ...LINK_RPC,
    });
    try {
      const context = contextOf(secrets);
      const own = makeNonce();
      const commitment = commitTo(own);
      const reply = await rpc.request("greet", {
        protocol: PEER_PROTOCOL_VERSION,
        client: clientLabel(),
        chatId: secrets.chatId,
        isResume: secrets.channelKey !== undefined,
        commitment,
        proof: proveAsJoiner(context, commitment),
      }, { timeoutMs: GREET_TIMEOUT_MS });
      const { client, nonce, proof } = checked(LINK_REQUESTS.greet.result, reply, "the reply to greet");
      if (!isSameProof(proof, proveAsHost(context, commitment, nonce))) {
        throw new ConnectionError("Cannot trust the other end: it does not have the secret of this chat");
      }
      const isResume = secrets.channelKey !== undefined;
      return new ProvenConnection(rpc, {
        context,
        nonces: { own, host: nonce },
        theirClient: client,
        isResume,
        server,
      });
    } catch (error) {
      rpc.abort(messageOf(error));
      throw error;
    }
  }

  /** Puts this link in use; the first one of a channel comes with its terms. */
  async take(
    route: Route,
    received: number,
    channelKey?: string | undefined,
  ): Promise<{ link: PeerLink; terms: ChatTerms | undefined }> {
    const hasBegun = channelKey !== undefined;
    try {
      const reply = await this.#rpc.request("take", {
        nonce: this.#nonces.own,
        route,
        received,
        ...(hasBegun && !this.#isResume
          ? {
            resume: proveResume({ ...this.#context, key: channelKey }, this.#nonces.own, this.#nonces.host),
          }
          : {}),
      }, { timeoutMs: GREET_TIMEOUT_MS });
      const { received: theirReceived } = checked(LINK_REQUESTS.take.result, reply, "the reply to take");
      const link = new PeerLink(this.#rpc, { route, theirReceived, setServer: this.#server.resolve });
      if (hasBegun) return { link, terms: undefined };
      return { link, terms: termsOf(this.#context, this.#nonces.host, this.#nonces.own, this.#theirClient) };
    } catch (error) {
      this.drop(messageOf(error));
      throw error;
    }
  }

  drop(reason: string): void {
    this.#rpc.abort(reason);
  }
}
