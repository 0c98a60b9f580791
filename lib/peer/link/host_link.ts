import { ChatError, ConnectionError, messageOf, ProtocolError } from "../../errors.ts";
import type { Connection } from "../../net/connection.ts";
import { RpcConnection } from "../../net/rpc_connection.ts";
import { type Greet, LINK_REQUESTS, PEER_PROTOCOL_VERSION, type Take } from "../../protocol/peer_messages.ts";
import { checked } from "../../protocol/requests.ts";
import { encodeSuccess, parseEnvelope, RPC_INVALID_REQUEST, type RpcId } from "../../protocol/rpc.ts";
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

/** How long a proven connection may wait for `take`: the joiner has one winner, and drops the others. */
const TAKE_TIMEOUT_MS = 10_000;

export interface LinkTaker {
  /** Asked anew for each caller, since the channel's key comes with the first link. */
  secretsOf(): LinkSecrets;
  /**
   * Takes the link into use, at once, and says the highest `seq` of the joiner's that this side has.
   * @throws {ChatError} When this link comes too late.
   */
  onLink(link: PeerLink, terms: ChatTerms | undefined): number;
}

/**
 * The host's side of a link: a caller that cannot prove the chat's secret gets not one byte of an answer, one that can
 * gets the host's own proof, and `take` puts the link in use (PEER.md, "Links").
 * @returns Whether the caller has proven the secret; settles then, before `take`.
 */
export async function awaitLink(
  connection: Connection,
  taker: LinkTaker,
  timeoutMs: number = GREET_TIMEOUT_MS,
): Promise<boolean> {
  const timer = setTimeout(() => connection.abort("no proof in time"), timeoutMs);
  try {
    const greeting = await readGreeting(connection, taker.secretsOf());
    answerGreeting(connection, taker, greeting);
    return true;
  } catch (error) {
    // Not a word to a stranger: neither what this is, nor what was wrong.
    connection.abort(messageOf(error));
    return false;
  } finally {
    clearTimeout(timer);
  }
}

interface Greeting {
  readonly id: RpcId;
  readonly greet: Greet;
  readonly context: ProofContext;
}

async function readGreeting(connection: Connection, secrets: LinkSecrets): Promise<Greeting> {
  const lines = await connection.readLines();
  const envelope = lines?.length === 1 ? parseEnvelope(lines[0]!) : undefined;
  if (envelope?.kind !== "request" || envelope.method !== "greet") {
    throw new ConnectionError("The caller did not greet");
  }
  const greet = checked(LINK_REQUESTS.greet.params, envelope.params, "greet");
  const context = contextOf(greet.isResume ? secrets : { ...secrets, channelKey: undefined });
  if (greet.isResume && secrets.channelKey === undefined) {
    throw new ConnectionError("There is no channel yet");
  }
  if (greet.chatId !== secrets.chatId) throw new ConnectionError("The caller means another chat");
  if (!isSameProof(greet.proof, proveAsJoiner(context, greet.commitment))) {
    throw new ConnectionError("The caller does not have the secret");
  }
  return { id: envelope.id, greet, context };
}

/** Answers a proven caller; from here on the connection speaks JSON-RPC both ways. */
function answerGreeting(connection: Connection, taker: LinkTaker, { id, greet, context }: Greeting): void {
  const nonce = makeNonce();
  const server = Promise.withResolvers<LinkServer>();
  let isTaken = false;
  const rpc: RpcConnection = new RpcConnection(connection, {
    ...LINK_RPC,
    onRequest: (method, params): unknown => {
      clearTimeout(timer);
      if (isTaken) return server.promise.then((serve) => serve(method, params));
      isTaken = true;
      if (method !== "take") throw new ProtocolError(RPC_INVALID_REQUEST, "Cannot go on without take");
      const take = checked(LINK_REQUESTS.take.params, params, "take");
      if (commitTo(take.nonce) !== greet.commitment) {
        throw new ProtocolError(
          RPC_INVALID_REQUEST,
          "Cannot take the link: the nonce is not the promised one",
        );
      }
      const link = { rpc, route: take.route, theirReceived: take.received, serve: server.resolve };
      const isResume = greet.isResume || isResumedBy(take, context, nonce, taker.secretsOf().channelKey);
      const terms = isResume ? undefined : termsOf(context, nonce, take.nonce, greet.client);
      try {
        return { received: taker.onLink(link, terms) };
      } catch (error) {
        setTimeout(() => rpc.close(messageOf(error)), 0); // once the refusal is on its way
        throw error;
      }
    },
  });
  const timer = setTimeout(() => rpc.abort("not taken in time"), TAKE_TIMEOUT_MS);
  rpc.closed.then(() => clearTimeout(timer));
  if (greet.protocol !== PEER_PROTOCOL_VERSION) {
    const outdated = greet.protocol < PEER_PROTOCOL_VERSION ? "yours" : "your friend's";
    const error = new ChatError(
      "unsupported_version",
      `Cannot chat with version ${greet.protocol} of the direct chat, only ${PEER_PROTOCOL_VERSION}: upgrade ${outdated}`,
    );
    rpc.close({ kind: "protocol", message: error.message, error });
    return;
  }
  connection.send(encodeSuccess(id, {
    client: CLIENT_LABEL,
    nonce,
    proof: proveAsHost(context, greet.commitment, nonce),
  }));
}

/** Whether a link that was greeted before the channel began is taken by somebody who has its key. */
function isResumedBy(
  { nonce, resume }: Take,
  context: ProofContext,
  hostNonce: string,
  channelKey: string | undefined,
): boolean {
  if (resume === undefined) return false;
  const isOurs = channelKey !== undefined &&
    isSameProof(resume, proveResume({ ...context, key: channelKey }, nonce, hostNonce));
  if (isOurs) return true;
  throw new ProtocolError(RPC_INVALID_REQUEST, "Cannot take the link: it does not belong to this chat");
}
