/**
 * A connection on which nobody is signed in yet: the greeting, and the ways to become somebody.
 * @module
 */
import type { RpcConnection } from "../net/rpc_connection.ts";
import { PROTOCOL_VERSION } from "../protocol/limits.ts";
import {
  type Params,
  parseResult,
  type RequestName,
  type Result,
  type SignedIn,
} from "../protocol/requests.ts";
import type { KnownServer } from "../profile/profile.ts";
import { VERSION } from "../version.ts";
import { type Pins, reachServer } from "./reach.ts";

export const HELLO: Params<"hello"> = {
  protocol: PROTOCOL_VERSION,
  client: { name: "mini-chat", version: VERSION },
};

/** How the server is asked to call this device. */
const DEVICE_NAME = Deno.hostname().slice(0, 64) || "unnamed";

export interface Credentials {
  readonly name: string;
  readonly password: string;
  readonly deviceId?: string; // device that an earlier login here was given
}

export class Guest implements AsyncDisposable {
  readonly greeting: Result<"hello">;
  readonly #rpc: RpcConnection;

  private constructor(rpc: RpcConnection, greeting: Result<"hello">) {
    this.#rpc = rpc;
    this.greeting = greeting;
  }

  /**
   * Connects to a trusted server and says hello.
   *
   * @throws {ConnectionError} when it cannot be reached.
   * @throws {TrustError} when its key is not the one that was pinned.
   * @throws {ChatError} `unsupported_version`.
   * @throws the signal's reason once that is aborted.
   */
  static async connect(server: KnownServer, pins: Pins, signal: AbortSignal): Promise<Guest> {
    const rpc = await reachServer(server, pins, {}, signal);
    try {
      return new Guest(rpc, parseResult("hello", await rpc.request("hello", HELLO, { signal })));
    } catch (error) {
      rpc.abort();
      throw error;
    }
  }

  /** Registers; throws `conflict` for a taken name, `forbidden` where that is not allowed. */
  register(credentials: Credentials, joinCode: string | undefined, signal: AbortSignal): Promise<SignedIn> {
    const code = joinCode === undefined ? {} : { joinCode };
    return this.#call("register", { ...credentials, deviceName: DEVICE_NAME, ...code }, signal);
  }

  /** Logs in; throws `unauthenticated` for a wrong name or password. */
  login(credentials: Credentials, signal: AbortSignal): Promise<SignedIn> {
    return this.#call("login", { ...credentials, deviceName: DEVICE_NAME }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rpc.request("bye", {}, { timeoutMs: 1_000 }).catch(() => {});
    await this.#rpc.close();
  }

  /** Asks; called off, the connection ends, as nobody knows what the server made of it. */
  async #call<M extends RequestName>(method: M, params: Params<M>, signal: AbortSignal): Promise<Result<M>> {
    try {
      return parseResult(method, await this.#rpc.request(method, params, { signal }));
    } catch (error) {
      if (signal.aborted) this.#rpc.abort();
      throw error;
    }
  }
}
