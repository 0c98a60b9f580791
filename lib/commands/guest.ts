// The way to a server that is trusted, and a connection on which nobody is signed in yet: its greeting, and the ways to sign in.
import { HELLO } from "../client/server_link.ts";
import { Connection } from "../net/connection.ts";
import { RpcConnection, type RpcOptions } from "../net/rpc_connection.ts";
import { connectPinned, connectVerified } from "../net/trust.ts";
import { checkedRequest, parseResult, type Result, type SignedIn } from "../protocol/requests.ts";
import type { KnownServer, Profile } from "../profile/profile.ts";

const DEVICE_NAME = Deno.hostname().slice(0, 64) || "unnamed";

type Pins = Pick<Profile, "certificateOf" | "renewCertificate">;

/** Connects with TLS: to the pinned key, or to a certificate that the system's authorities vouch for. */
export async function reachServer(
  server: KnownServer,
  pins: Pins,
  options: RpcOptions,
  signal?: AbortSignal,
): Promise<RpcConnection> {
  const { host, port } = server;
  const certificatePem = pins.certificateOf(server);
  const address = { host, port, ...(signal && { signal }) };
  const stream = certificatePem === null ? await connectVerified(address) : await connectPinned({
    ...address,
    certificatePem,
    onRenewed: (renewed) => pins.renewCertificate(server, renewed),
  });
  return new RpcConnection(new Connection(stream), options);
}

/** Where a connection has led, for others to the same place: an address that names an interface is known to its caller alone. */
export function addressReached({ host }: Pick<KnownServer, "host">, rpc: RpcConnection): string {
  return host.includes("%") ? host : rpc.connection.remoteAddress;
}

export interface Credentials {
  readonly name: string;
  readonly password: string;
  readonly deviceId?: string; // device that an earlier login here was given
}

export interface Registration {
  readonly joinCode: string | undefined; // from the invite link; none where the server is open to all
}

export class Guest implements AsyncDisposable {
  readonly server: KnownServer;
  readonly greeting: Result<"hello">;
  readonly #rpc: RpcConnection;

  private constructor(server: KnownServer, rpc: RpcConnection, greeting: Result<"hello">) {
    this.server = server;
    this.#rpc = rpc;
    this.greeting = greeting;
  }

  /** Connects to a trusted server and says hello. Throws `ConnectionError`, `TrustError`, or `ChatError` (`unsupported_version`). */
  static async connect(server: KnownServer, pins: Pins, signal: AbortSignal): Promise<Guest> {
    const rpc = await reachServer(server, pins, {}, signal);
    try {
      return new Guest(server, rpc, parseResult("hello", await rpc.request("hello", HELLO, { signal })));
    } catch (error) {
      rpc.abort();
      throw error;
    }
  }

  /** Logs in, or registers where `registration` is given. Throws `ChatError`: `unauthenticated`, `conflict` (the name), `forbidden`. */
  async signIn(
    credentials: Credentials,
    registration: Registration | null,
    signal: AbortSignal,
  ): Promise<SignedIn> {
    const { joinCode } = registration ?? {};
    const params = {
      ...credentials,
      deviceName: DEVICE_NAME,
      ...(joinCode === undefined ? {} : { joinCode }),
    };
    const method = registration ? "register" : "login";
    try {
      const given = checkedRequest(method, params, registration ? "Cannot register" : "Cannot log in");
      return parseResult(method, await this.#rpc.request(method, given, { signal }));
    } catch (error) {
      if (signal.aborted) this.#rpc.abort(); // nobody knows whether the server has done it
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rpc.request("bye", {}, { timeoutMs: 1_000 }).catch(() => {});
    await this.#rpc.close();
  }
}
