/**
 * The rules of chat without sockets: a real store in memory, real sessions, and peers that note what they are told.
 * @module
 */
import assert from "node:assert/strict";
import { Passwords } from "../../lib/chat/passwords.ts";
import type { PaceClock } from "../../lib/chat/throttles/pace.ts";
import type { SessionPeer } from "../../lib/chat/delivery.ts";
import { type Registration, Services } from "../../lib/chat/services.ts";
import type { Cluster } from "../../lib/chat/cluster.ts";
import { Hearing } from "../../lib/chat/hearing.ts";
import { answer } from "../../lib/chat/handlers.ts";
import { Session } from "../../lib/chat/session.ts";
import { DEFAULT_THROTTLES, type ThrottleLimits } from "../../lib/chat/limits.ts";
import { ChatError, ProtocolError } from "../../lib/errors.ts";
import { addressGroup } from "../../lib/addresses.ts";
import { PROTOCOL_VERSION } from "../../lib/protocol/limits.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import type { StoreLimits } from "../../lib/store/limits.ts";

/** Password of everybody in a chat world. */
export const PASSWORD = "correct horse";

const HELLO = { protocol: PROTOCOL_VERSION, client: { name: "test", version: "1" } };

/** One connection of a {@linkcode ChatWorld}. */
export class Caller implements SessionPeer {
  readonly id: string;
  readonly connection: SessionPeer["connection"];
  /** The session that answers. */
  readonly session: Session;
  /** Every event that came, in order. */
  readonly events: { readonly method: string; readonly params: Record<string, unknown> }[] = [];
  /** Whether somebody is signed in, as far as the listener knows. */
  isKept = false;
  /** Why the connection was closed; empty while it is open. */
  closeReason = "";

  constructor(id: string, remoteAddress: string, services: Services) {
    this.id = id;
    const isClosing = () => this.isClosing;
    this.connection = {
      remoteAddress,
      isBacklogged: false,
      get isClosing() {
        return isClosing();
      },
      drained: () => Promise.resolve(),
      keep: () => this.isKept = true,
    };
    this.session = new Session(this, addressGroup(remoteAddress), services);
  }

  /** Sends a request, and returns its result. */
  // deno-lint-ignore no-explicit-any -- results are looked at field by field
  async call(method: string, params: unknown = {}): Promise<any> {
    return await answer(this.session, method, params);
  }

  /** Sends a request that must be refused, and returns the code. */
  async refused(method: string, params: unknown = {}): Promise<string> {
    try {
      await this.call(method, params);
    } catch (error) {
      assert.ok(error instanceof ChatError || error instanceof ProtocolError, `not a refusal: ${error}`);
      assert.ok(error.message.length > 10 && error.message.length < 400, error.message);
      return error.code;
    }
    assert.fail(`${method} was not refused`);
  }

  /** Says hello. */
  async greet(): Promise<this> {
    await this.call("hello", HELLO);
    return this;
  }

  /** Contents of the events of one kind. */
  // deno-lint-ignore no-explicit-any -- contents are looked at field by field
  received(method: string): any[] {
    return this.events.filter((event) => event.method === method).map(({ params }) => params);
  }

  get isClosing(): boolean {
    return this.closeReason !== "";
  }

  notify(method: string, params: unknown): void {
    this.events.push({ method, params: params as Record<string, unknown> });
  }

  close(reason: string): void {
    this.closeReason ||= reason;
    this.session.ended();
  }
}

/** How a {@linkcode ChatWorld} is set up. */
export interface ChatWorldOptions {
  readonly registration?: Registration;
  readonly limits?: Partial<StoreLimits>;
  readonly throttles?: Partial<ThrottleLimits>;
  /** Time that sends and strangers' logins are slowed by; the machine's by default. */
  readonly paceClock?: PaceClock;
  /** What this server shares with the others of its community; it is alone by default. */
  readonly cluster?: Cluster;
  /** The store of the community, which whoever gives it closes; one of its own by default. */
  readonly store?: ServerStore;
  /** Waited for before anything is asked of the store, and before each password is hashed or checked. */
  readonly gate?: (verb: string) => Promise<void>;
  /** Told of what is logged as an error, which fails the test by default. */
  readonly onFault?: (error: unknown) => void;
}

/** The same object, but each of its methods waits for the gate first; waiting for what is under way passes. */
function gated<T extends object>(target: T, gate: (verb: string) => Promise<void>): T {
  return new Proxy(target, {
    get(object, name) {
      const member = Reflect.get(object, name, object);
      if (typeof member !== "function") return member;
      const call = member.bind(object);
      return typeof name === "symbol" || name === "settled"
        ? call
        : (...args: unknown[]) => gate(name).then(() => call(...args));
    },
  });
}

/** A server without sockets. */
export class ChatWorld implements AsyncDisposable {
  readonly store: ServerStore;
  readonly services: Services;
  readonly #callers: Caller[] = [];
  readonly #hearing: Hearing;
  readonly #ownsStore: boolean;

  private constructor(store: ServerStore, options: ChatWorldOptions) {
    const { gate, onFault } = options;
    const passwords = new Passwords({ logN: 4, r: 8, p: 1 });
    this.#ownsStore = options.store === undefined;
    this.store = gate ? gated(store, gate) : store;
    this.services = new Services({
      store: this.store,
      log: {
        info() {},
        warn() {},
        error: (message, { error } = {}) => onFault ? onFault(error) : assert.fail(`${message}: ${error}`),
      },
      registration: options.registration ?? "open",
      ...(options.paceClock ? { paceClock: options.paceClock } : {}),
      ...(options.cluster ? { cluster: options.cluster } : {}),
      throttles: { ...DEFAULT_THROTTLES, registrationsPerAddress: 1_000, ...options.throttles },
      passwords: gate ? gated(passwords, gate) : passwords,
    });
    this.#hearing = new Hearing(this.store, this.services);
  }

  static async start(options: ChatWorldOptions = {}): Promise<ChatWorld> {
    const { store, limits = {} } = options;
    return new ChatWorld(store ?? await openLocalStore(":memory:", { limits }), options);
  }

  /** A connection on which nothing was said yet. */
  connect(address = "192.0.2.1"): Caller {
    const caller = new Caller(`c${this.#callers.length}`, address, this.services);
    this.#callers.push(caller);
    return caller;
  }

  /** Somebody signed in: registered the first time, logged in later. */
  async connectAs(name: string): Promise<Caller> {
    const caller = await this.connect().greet();
    const isKnown = await this.store.findCredentials(name, null) !== null;
    await caller.call(isKnown ? "login" : "register", { name, password: PASSWORD });
    return caller;
  }

  /** Waits until everything that was asked of the store has been done and told. */
  async settle(): Promise<void> {
    await this.store.settled();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const caller of this.#callers) caller.session.ended();
    this.#hearing[Symbol.dispose]();
    if (this.#ownsStore) await this.store[Symbol.asyncDispose]();
  }
}
