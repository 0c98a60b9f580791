// Connections beside the sessions, each for one request of a direct chat: where does it come from, or relay.
// They are told apart by ALPN during their TLS handshake. Nobody logs in on them: an address is told to whoever has it,
// and a relay needs a ticket that a session was given.
import type { DirectChats, Redeemed } from "../../chat/direct_chats.ts";
import type { Log, Services } from "../../chat/services.ts";
import { ChatError, messageOf, ProtocolError } from "../../errors.ts";
import { normalizeAddress } from "../../addresses.ts";
import { type ByteStream, closeQuietly, describeLoss, writeAll } from "../../net/byte_stream.ts";
import { SIDE_REQUESTS } from "../../protocol/chat_messages.ts";
import { checked } from "../../protocol/requests.ts";
import {
  encodeFailure,
  encodeSuccess,
  parseEnvelope,
  RPC_METHOD_NOT_FOUND,
  type RpcId,
  toRpcError,
} from "../../protocol/rpc.ts";
import type { Relay } from "./relay.ts";

export interface SideRequestsOptions {
  readonly tickets: Pick<DirectChats, "redeem">;
  readonly relay: Relay; // disposed of with these
  readonly log: Log;
  /** Told of each connection that is lost before its request is answered; anybody may bring that about, very often. */
  readonly onLost?: (lost: { readonly reason: string }) => void;
  readonly admit?: Services["rules"]["admit"]; // everybody by default
  /** Connects to the side door of another server of the community; unset where there is none. */
  readonly reach?: (relayAddress: string, signal: AbortSignal) => Promise<ByteStream>;
  readonly requestWithinMs?: number; // for the caller's request; 5 s by default
  readonly lingerMs?: number; // of a connection whose address was told; 20 s by default
}

const MAX_REQUEST_BYTES = 1_024; // with its line end
const LF = 0x0a;

const utf8 = new TextEncoder();

export class SideRequests implements AsyncDisposable {
  readonly #options: SideRequestsOptions;
  readonly #streams = new Set<ByteStream>();
  readonly #serving = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: SideRequestsOptions) {
    this.#options = options;
  }

  /**
   * Serves one connection, whose TLS handshake is done, until it is closed. Never rejects. `leavePlace` is called once the
   * relay counts it: many sides that another server carries here come from that one's address.
   */
  serve(
    stream: ByteStream,
    remoteAddr: Deno.NetAddr = stream.remoteAddr as Deno.NetAddr,
    leavePlace: () => void = () => {},
  ): Promise<void> {
    const serving = this.#serve(stream, remoteAddr, leavePlace).finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
    return serving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ChatError("unavailable", "Cannot relay: the server is stopping"));
    for (const stream of this.#streams) closeQuietly(stream);
    this.#options.relay[Symbol.dispose]();
    await Promise.all(this.#serving);
  }

  async #serve(stream: ByteStream, remoteAddr: Deno.NetAddr, leavePlace: () => void): Promise<void> {
    this.#streams.add(stream);
    let id: RpcId | null = null;
    try {
      const line = await readRequest(stream, this.#options.requestWithinMs ?? 5_000);
      if (line === null) return;
      const request = parseEnvelope(line);
      if (request.kind !== "request") throw new ProtocolError(-32600, "Cannot answer: that is no request");
      id = request.id;
      if (request.method === "find_address") await this.#tellAddress(stream, remoteAddr, request);
      else if (request.method === "relay") await this.#relay(stream, remoteAddr, line, request, leavePlace);
      else throw new ProtocolError(RPC_METHOD_NOT_FOUND, "Cannot do that here: send find_address or relay");
    } catch (error) {
      const isForCaller = error instanceof ChatError || error instanceof ProtocolError;
      if (!isForCaller) this.#options.onLost?.({ reason: describeLoss(error) });
      else await writeAll(stream, utf8.encode(encodeFailure(id, toRpcError(error)))).catch(() => {});
    } finally {
      this.#streams.delete(stream);
      closeQuietly(stream);
    }
  }

  /** Tells it, and keeps the connection for as long as a router must remember its mapping. */
  async #tellAddress(
    stream: ByteStream,
    { hostname, port }: Deno.NetAddr,
    { id, params }: { readonly id: RpcId; readonly params?: unknown },
  ): Promise<void> {
    checked(SIDE_REQUESTS.find_address.params, params ?? {}, "find_address");
    const seen = { address: normalizeAddress(hostname), port };
    await writeAll(stream, utf8.encode(encodeSuccess(id, seen)));
    const timer = setTimeout(() => closeQuietly(stream), this.#options.lingerMs ?? 20_000);
    await stream.read(new Uint8Array(1)).catch(() => null);
    clearTimeout(timer);
  }

  async #relay(
    stream: ByteStream,
    { hostname }: Deno.NetAddr,
    line: string,
    { id, params }: { readonly id: RpcId; readonly params?: unknown },
    leavePlace: () => void,
  ): Promise<void> {
    const { tickets, relay, admit = () => () => {} } = this.#options;
    const { ticket } = checked(SIDE_REQUESTS.relay.params, params ?? {}, "relay");
    const redeemed = await tickets.redeem(ticket);
    if (!redeemed) throw new ChatError("forbidden", "Cannot relay: the ticket is unknown, used, or too old");
    const { half, owner } = redeemed;
    const turnOut = () => closeQuietly(stream);
    const leave = admit({ name: half.name, address: normalizeAddress(hostname), turnOut });
    try {
      leavePlace();
      if (owner !== "here") return await relay.carry(half, stream, () => this.#showTo(owner, line));
      await relay.serve(half, stream, async (terms) => {
        await writeAll(stream, utf8.encode(encodeSuccess(id, terms)));
      });
    } finally {
      leave();
    }
  }

  /** Makes the caller's request at the server that it is for, which answers as if the caller had come there. */
  async #showTo({ relayAddress }: Exclude<Redeemed["owner"], "here">, line: string): Promise<ByteStream> {
    const { reach, log } = this.#options;
    if (relayAddress === null || !reach) {
      const words =
        "Cannot relay: the two sides are at different servers, and one does not know how to reach the other";
      throw new ChatError("unavailable", words);
    }
    try {
      const owner = await reach(relayAddress, this.#stop.signal);
      await writeAll(owner, utf8.encode(line)).catch((error) => {
        closeQuietly(owner);
        throw error;
      });
      return owner;
    } catch (error) {
      log.warn("another server cannot be reached for a relay: is its --relay-address right?", {
        relayAddress,
        reason: messageOf(error),
      });
      throw new ChatError("unavailable", "Cannot relay: the server of the other side cannot be reached now");
    }
  }
}

/** The first line; null when the caller hangs up before its end. Nothing may follow it until it is answered. */
async function readRequest(stream: ByteStream, withinMs: number): Promise<string | null> {
  const buffer = new Uint8Array(MAX_REQUEST_BYTES);
  let filled = 0;
  const timer = setTimeout(() => closeQuietly(stream), withinMs);
  try {
    for (;;) {
      const count = await stream.read(buffer.subarray(filled));
      if (count === null) return null;
      filled += count;
      if (buffer[filled - 1] === LF) return new TextDecoder().decode(buffer.subarray(0, filled));
      if (filled === buffer.length) {
        const words = `Cannot answer: the request is over ${MAX_REQUEST_BYTES} bytes`;
        throw new ProtocolError(-32008, words, "too_large");
      }
    }
  } finally {
    clearTimeout(timer);
  }
}
