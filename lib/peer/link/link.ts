/**
 * A link: one connection between the two of a direct chat on which both have proven what they must.
 *
 * The joiner greets with a proof of the chat's secret, the host answers with its own, and `take` puts the link in use
 * (PEER.md, "Links"). A caller that cannot prove it gets not one byte of an answer. What is said on a link belongs to
 * the session.
 * @module
 */
import { ChatError, LinkError, messageOf, ProtocolError } from "../../errors.ts";
import { type CloseReason, type Connection } from "../../net/connection.ts";
import { RpcConnection } from "../../net/rpc_connection.ts";
import {
  type Greet,
  LINK_REQUESTS,
  PEER_PROTOCOL_VERSION,
  type Route,
  type Take,
} from "../../protocol/peer_messages.ts";
import { checked } from "../../protocol/requests.ts";
import { encodeSuccess, parseEnvelope, RPC_INVALID_REQUEST, type RpcId } from "../../protocol/rpc.ts";
import { VERSION } from "../../version.ts";
import {
  commitTo,
  comparisonCode,
  isSameProof,
  makeNonce,
  type ProofContext,
  proveAsHost,
  proveAsJoiner,
  proveResume,
  sessionKey,
} from "./proof.ts";

/** How long a caller has from the end of its TLS handshake to its proof, in milliseconds. */
export const GREET_TIMEOUT_MS = 5_000;
/** How long a proven connection may wait for `take`: the joiner has one winner, and drops the others. */
const TAKE_TIMEOUT_MS = 10_000;
/** Silence on a link after which the other side is asked for a sign of life, and after which the link is dead. */
const QUIET_MS = 2_500;
const DEAD_MS = 8_000;
/** How long the session waits at most for one reply; it watches its progress itself. */
const REPLY_TIMEOUT_MS = 600_000;
/** Requests of the other side under way at once: more than its window, so that a well-behaved one is never paused. */
const MAX_PENDING = 64;

/** Settings of every connection that may become a link. */
export const LINK_CONNECTION = {
  // Over the session's window, so that two who send files to each other do not both stop reading.
  backlogBytes: 3 * 1024 * 1024,
  maxOutboxBytes: 6 * 1024 * 1024,
  stallTimeoutMs: 20_000,
} as const;

export interface LinkSecrets {
  readonly chatId: string;
  /** The host's certificate in PEM: its own, or the one that TLS was checked against. */
  readonly certificatePem: string;
  /** The chat's secret. */
  readonly secret: string;
  /** Key of the session; undefined before the first link was taken. */
  readonly sessionKey: string | undefined;
}

export interface SessionTerms {
  readonly sessionKey: string; // proves later links
  readonly code: string; // what both persons compare
  /** Name and version of the other side's program; not filtered for a terminal. */
  readonly theirClient: string;
}

export type LinkServer = (method: string, params: unknown) => unknown;

/** A proven connection in use. */
export class Link {
  /** The way its bytes take. */
  readonly route: Route;
  /** Highest `seq` of ours that the other side had when the link was made. */
  readonly theirReceived: number;
  /** Resolves once it is closed. Never rejects. */
  readonly closed: Promise<CloseReason>;
  readonly #rpc: RpcConnection;
  readonly #setServer: (server: LinkServer) => void;

  constructor(
    rpc: RpcConnection,
    made: { route: Route; theirReceived: number; setServer: (server: LinkServer) => void },
  ) {
    this.route = made.route;
    this.theirReceived = made.theirReceived;
    this.closed = rpc.closed;
    this.#rpc = rpc;
    this.#setServer = made.setServer;
  }

  /** Where the other end of the socket is; a loopback address for a bridged one. */
  get remoteAddress(): string {
    return this.#rpc.connection.remoteAddress;
  }

  /** When bytes last came from the other side, on the clock of performance.now(). */
  get heardAt(): number {
    return this.#rpc.connection.heardAt;
  }

  /** Asks for a sign of life. */
  async ping(timeoutMs: number): Promise<void> {
    await this.#rpc.request("ping", undefined, { timeoutMs });
  }

  /** Who answers from now on; requests that came earlier are handed over in their order. */
  serve(server: LinkServer): void {
    this.#setServer(server);
  }

  request(method: string, params: unknown): Promise<unknown> {
    return this.#rpc.request(method, params, { timeoutMs: REPLY_TIMEOUT_MS });
  }

  /** Parts in good order. */
  close(reason: CloseReason | string): Promise<CloseReason> {
    return this.#rpc.close(reason);
  }

  /** Closes at once. */
  abort(reason: CloseReason | string): void {
    this.#rpc.abort(reason);
  }
}

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
   * @throws {LinkError} When the other end has not the secret, or hung up.
   */
  static async prove(connection: Connection, secrets: LinkSecrets): Promise<ProvenConnection> {
    const server = Promise.withResolvers<LinkServer>();
    const rpc = new RpcConnection(connection, {
      onRequest: (method, params) => server.promise.then((serve) => serve(method, params)),
      quietMs: QUIET_MS,
      deadMs: DEAD_MS,
      maxPendingRequests: MAX_PENDING,
    });
    try {
      const context = contextOf(secrets);
      const own = makeNonce();
      const commitment = commitTo(own);
      const reply = await rpc.request("greet", {
        protocol: PEER_PROTOCOL_VERSION,
        client: clientLabel(),
        chatId: secrets.chatId,
        isResume: secrets.sessionKey !== undefined,
        commitment,
        proof: proveAsJoiner(context, commitment),
      }, { timeoutMs: GREET_TIMEOUT_MS });
      const { client, nonce, proof } = checked(LINK_REQUESTS.greet.result, reply, "the reply to greet");
      if (!isSameProof(proof, proveAsHost(context, commitment, nonce))) {
        throw new LinkError("Cannot trust the other end: it does not have the secret of this chat");
      }
      const isResume = secrets.sessionKey !== undefined;
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

  /**
   * Puts this link in use.
   *
   * @param route The way it takes, told to the host.
   * @param received Highest `seq` of the host's that this side has.
   * @param sessionKey Key of the session when it has begun, perhaps while this link was being proven.
   * @returns The link, and on the first one of a session its terms.
   * @throws {ChatError} What the host refused with.
   * @throws {LinkError} When it is lost.
   */
  async take(
    route: Route,
    received: number,
    sessionKey?: string | undefined,
  ): Promise<{ link: Link; terms: SessionTerms | undefined }> {
    const hasBegun = sessionKey !== undefined;
    try {
      const reply = await this.#rpc.request("take", {
        nonce: this.#nonces.own,
        route,
        received,
        ...(hasBegun && !this.#isResume
          ? {
            resume: proveResume({ ...this.#context, key: sessionKey }, this.#nonces.own, this.#nonces.host),
          }
          : {}),
      }, { timeoutMs: GREET_TIMEOUT_MS });
      const { received: theirReceived } = checked(LINK_REQUESTS.take.result, reply, "the reply to take");
      const link = new Link(this.#rpc, { route, theirReceived, setServer: this.#server.resolve });
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

/** What a host does with a link that its joiner takes. */
export interface LinkTaker {
  /** What is to be proven; asked anew for each caller, since the session's key comes with the first link. */
  secretsOf(): LinkSecrets;
  /**
   * Takes the link into use, at once.
   *
   * @returns Highest `seq` of the joiner's that this side has.
   * @throws {ChatError} When this link comes too late.
   */
  onLink(link: Link, terms: SessionTerms | undefined): number;
}

/**
 * The host's side: waits for the proof of a caller, answers it, and waits for `take`.
 *
 * @param connection A fresh TLS connection from anybody.
 * @param taker The chat it may belong to.
 * @param timeoutMs How long the caller has for its proof, and then for `take`; {@linkcode GREET_TIMEOUT_MS} by default.
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
  if (lines?.length !== 1) throw new LinkError("The caller did not greet");
  const envelope = parseEnvelope(lines[0]!);
  if (envelope.kind !== "request" || envelope.method !== "greet") {
    throw new LinkError("The caller did not greet");
  }
  const greet = checked(LINK_REQUESTS.greet.params, envelope.params, "greet");
  const context = contextOf(greet.isResume ? secrets : { ...secrets, sessionKey: undefined });
  if (greet.isResume && secrets.sessionKey === undefined) throw new LinkError("There is no session to go on");
  if (greet.chatId !== secrets.chatId) throw new LinkError("The caller means another chat");
  if (!isSameProof(greet.proof, proveAsJoiner(context, greet.commitment))) {
    throw new LinkError("The caller does not have the secret");
  }
  return { id: envelope.id, greet, context };
}

/** Answers a proven caller; from here on the connection speaks JSON-RPC both ways. */
function answerGreeting(connection: Connection, taker: LinkTaker, { id, greet, context }: Greeting): void {
  const nonce = makeNonce();
  const server = Promise.withResolvers<LinkServer>();
  let isTaken = false;
  const rpc: RpcConnection = new RpcConnection(connection, {
    quietMs: QUIET_MS,
    deadMs: DEAD_MS,
    maxPendingRequests: MAX_PENDING,
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
      const link = new Link(rpc, {
        route: take.route,
        theirReceived: take.received,
        setServer: server.resolve,
      });
      const isResume = greet.isResume || isResumedBy(take, context, nonce, taker.secretsOf().sessionKey);
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
    client: clientLabel(),
    nonce,
    proof: proveAsHost(context, greet.commitment, nonce),
  }));
}

/** Whether a link that was greeted before the session began is taken by somebody who is in the session. */
function isResumedBy(
  { nonce, resume }: Take,
  context: ProofContext,
  hostNonce: string,
  sessionKey: string | undefined,
): boolean {
  if (resume === undefined) return false;
  if (
    sessionKey !== undefined &&
    isSameProof(resume, proveResume({ ...context, key: sessionKey }, nonce, hostNonce))
  ) {
    return true;
  }
  throw new ProtocolError(RPC_INVALID_REQUEST, "Cannot take the link: it does not belong to this session");
}

function contextOf(secrets: LinkSecrets): ProofContext {
  return {
    chatId: secrets.chatId,
    certificatePem: secrets.certificatePem,
    key: secrets.sessionKey ?? secrets.secret,
  };
}

function termsOf(
  context: ProofContext,
  hostNonce: string,
  joinerNonce: string,
  theirClient: string,
): SessionTerms {
  return {
    sessionKey: sessionKey(context, hostNonce, joinerNonce),
    code: comparisonCode(context, hostNonce, joinerNonce),
    theirClient,
  };
}

function clientLabel(): string {
  return `mini-chat ${VERSION}`;
}
