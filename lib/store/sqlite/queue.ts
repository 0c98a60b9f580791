/**
 * The store as the server holds it: calls wait in a queue and leave in batches.
 *
 * While a batch is being committed the next one gathers, so the busier the server, the more messages share an fsync,
 * and a lone call waits for nobody. Who runs the batches, a thread or the caller itself, is given from outside.
 * @module
 */
import { ChatError } from "../../errors.ts";
import type { Call, Outcome, Verb } from "./batch.ts";
import type { ServerStore } from "../server_store.ts";

/** Most calls in a batch, so that the first of it need not wait long for the last: some 10 ms of work. */
const MAX_BATCH = 1_000;

/**
 * Most bytes of text that the calls of a batch may bring back together. Without it, a thousand clients that come back to full
 * mailboxes at once, or one that asks for its history again and again, would make one reply of more than a string can hold.
 */
const MAX_BATCH_TEXT_BYTES = 8 * 1024 * 1024;

/** Batches on their way at once: one being committed, and one that lies ready when it is done. */
const MAX_ON_THE_WAY = 2;

/** Who runs the batches. */
export interface BatchTransport {
  /** Runs a batch; one outcome for each call, in order. Rejects only if the store is lost. */
  run(calls: readonly Call[], now: number): Promise<readonly Outcome[]>;
  /** Copies the database into a new file. */
  backup(path: string): Promise<void>;
  /** Closes the database; called once, when nothing is on the way. */
  close(): Promise<void>;
  /** Rejects when the store is lost. */
  readonly failed: Promise<never>;
}

interface WaitingCall extends Call {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** A {@linkcode ServerStore} whose calls leave in batches. */
export class QueuedStore implements ServerStore {
  /** See {@linkcode ServerStore}; so are all verbs below. */
  readonly failed: Promise<never>;
  readonly #transport: BatchTransport;
  readonly #now: () => number;
  #waiting: WaitingCall[] = [];
  #onTheWay = 0;
  #isFlushPlanned = false;
  #idle: PromiseWithResolvers<void> | null = null;
  #closing: Promise<void> | null = null;
  #lost: ChatError | null = null;

  /**
   * Begins to take calls.
   *
   * @param transport Who runs the batches.
   * @param now Clock in epoch milliseconds; `Date.now` by default.
   */
  constructor(transport: BatchTransport, now: () => number = Date.now) {
    this.#transport = transport;
    this.#now = now;
    this.failed = transport.failed;
    this.failed.catch((cause) => this.#lose(cause));
  }

  /** See {@linkcode ServerStore}. */
  readonly createAccount: ServerStore["createAccount"] = this.#verb("createAccount");
  /** See {@linkcode ServerStore}. */
  readonly registerAccount: ServerStore["registerAccount"] = this.#verb("registerAccount");
  /** See {@linkcode ServerStore}. */
  readonly findCredentials: ServerStore["findCredentials"] = this.#verb("findCredentials");
  /** See {@linkcode ServerStore}. */
  readonly changePassword: ServerStore["changePassword"] = this.#verb("changePassword");
  /** See {@linkcode ServerStore}. */
  readonly openDeviceSession: ServerStore["openDeviceSession"] = this.#verb("openDeviceSession");
  /** See {@linkcode ServerStore}. */
  readonly findDeviceSession: ServerStore["findDeviceSession"] = this.#verb("findDeviceSession");
  /** See {@linkcode ServerStore}. */
  readonly noteDevicesUsed: ServerStore["noteDevicesUsed"] = this.#verb("noteDevicesUsed");
  /** See {@linkcode ServerStore}. */
  readonly listEndedSessions: ServerStore["listEndedSessions"] = this.#verb("listEndedSessions");
  /** See {@linkcode ServerStore}. */
  readonly closeDeviceSession: ServerStore["closeDeviceSession"] = this.#verb("closeDeviceSession");
  /** See {@linkcode ServerStore}. */
  readonly listUsers: ServerStore["listUsers"] = this.#verb("listUsers");
  /** See {@linkcode ServerStore}. */
  readonly findUser: ServerStore["findUser"] = this.#verb("findUser");
  /** See {@linkcode ServerStore}. */
  readonly markSeen: ServerStore["markSeen"] = this.#verb("markSeen");
  /** See {@linkcode ServerStore}. */
  readonly getSettings: ServerStore["getSettings"] = this.#verb("getSettings");
  /** See {@linkcode ServerStore}. */
  readonly updateSettings: ServerStore["updateSettings"] = this.#verb("updateSettings");
  /** See {@linkcode ServerStore}. */
  readonly blockUser: ServerStore["blockUser"] = this.#verb("blockUser");
  /** See {@linkcode ServerStore}. */
  readonly unblockUser: ServerStore["unblockUser"] = this.#verb("unblockUser");
  /** See {@linkcode ServerStore}. */
  readonly listBlocked: ServerStore["listBlocked"] = this.#verb("listBlocked");
  /** See {@linkcode ServerStore}. */
  readonly sendMessage: ServerStore["sendMessage"] = this.#verb("sendMessage");
  /** See {@linkcode ServerStore}. */
  readonly listMailbox: ServerStore["listMailbox"] = this.#verb("listMailbox");
  /** See {@linkcode ServerStore}. */
  readonly highestSequence: ServerStore["highestSequence"] = this.#verb("highestSequence");
  /** See {@linkcode ServerStore}. */
  readonly readSequence: ServerStore["readSequence"] = this.#verb("readSequence");
  /** See {@linkcode ServerStore}. */
  readonly acknowledge: ServerStore["acknowledge"] = this.#verb("acknowledge");
  /** See {@linkcode ServerStore}. */
  readonly listConversation: ServerStore["listConversation"] = this.#verb("listConversation");
  /** See {@linkcode ServerStore}. */
  readonly createInvite: ServerStore["createInvite"] = this.#verb("createInvite");
  /** See {@linkcode ServerStore}. */
  readonly listInvites: ServerStore["listInvites"] = this.#verb("listInvites");
  /** See {@linkcode ServerStore}. */
  readonly revokeInvite: ServerStore["revokeInvite"] = this.#verb("revokeInvite");
  /** See {@linkcode ServerStore}. */
  readonly listAccounts: ServerStore["listAccounts"] = this.#verb("listAccounts");
  /** See {@linkcode ServerStore}. */
  readonly setDisabled: ServerStore["setDisabled"] = this.#verb("setDisabled");
  /** See {@linkcode ServerStore}. */
  readonly removeAccount: ServerStore["removeAccount"] = this.#verb("removeAccount");
  /** See {@linkcode ServerStore}. */
  readonly counts: ServerStore["counts"] = this.#verb("counts");
  /** See {@linkcode ServerStore}. */
  readonly checkIntegrity: ServerStore["checkIntegrity"] = this.#verb("checkIntegrity");
  /** See {@linkcode ServerStore}. */
  readonly dataVersion: ServerStore["dataVersion"] = this.#verb("dataVersion");
  /** See {@linkcode ServerStore}. */
  readonly prune: ServerStore["prune"] = this.#verb("prune");

  /** See {@linkcode ServerStore}. */
  async backup(path: string): Promise<void> {
    if (this.#lost !== null || this.#closing !== null) throw this.#lost ?? closed();
    await this.#transport.backup(path);
  }

  /** Finishes what waits, and closes the database. Calls made after it are rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#waiting.length > 0 || this.#onTheWay > 0) {
      this.#idle = Promise.withResolvers();
      await this.#idle.promise;
    }
    await this.#transport.close();
  }

  #verb<Name extends Verb>(verb: Name): ServerStore[Name] {
    const call = (...args: unknown[]) => this.#call(verb, args);
    return call as ServerStore[Name];
  }

  #call(verb: Verb, args: readonly unknown[]): Promise<unknown> {
    if (this.#lost !== null || this.#closing !== null) return Promise.reject(this.#lost ?? closed());
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ verb, args, resolve, reject });
    if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      // What is called in the same turn leaves together.
      queueMicrotask(() => {
        this.#isFlushPlanned = false;
        this.#flush();
      });
    }
    return promise;
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#onTheWay < MAX_ON_THE_WAY && this.#lost === null) {
      const batch = this.#waiting.splice(0, batchLength(this.#waiting));
      this.#onTheWay++;
      this.#run(batch).finally(() => {
        this.#onTheWay--;
        this.#flush();
        if (this.#onTheWay === 0) this.#idle?.resolve();
      });
    }
  }

  async #run(batch: readonly WaitingCall[]): Promise<void> {
    try {
      const calls = batch.map(({ verb, args }) => ({ verb, args }));
      const outcomes = await this.#transport.run(calls, this.#now());
      for (const [index, call] of batch.entries()) {
        const outcome = outcomes[index]!;
        if ("error" in outcome) call.reject(outcome.error);
        else call.resolve(outcome.result);
      }
    } catch (cause) {
      this.#lose(cause);
      for (const call of batch) call.reject(this.#lost);
    }
  }

  #lose(cause: unknown): void {
    this.#lost ??= new ChatError("unavailable", "Cannot reach the store any more: it has stopped", { cause });
    for (const call of this.#waiting.splice(0)) call.reject(this.#lost);
    if (this.#onTheWay === 0) this.#idle?.resolve();
  }
}

/** How many of the calls that wait may leave together; at least one. */
function batchLength(waiting: readonly Call[]): number {
  let textBytes = 0;
  for (let index = 0; index < waiting.length; index++) {
    textBytes += textBytesOf(waiting[index]!);
    if (index === MAX_BATCH || (textBytes > MAX_BATCH_TEXT_BYTES && index > 0)) return index;
  }
  return waiting.length;
}

/** Most bytes of text that a call may bring back. */
function textBytesOf({ verb, args }: Call): number {
  if (verb !== "listMailbox" && verb !== "listConversation") return 0;
  return (args[0] as { readonly maxBytes: number }).maxBytes;
}

function closed(): ChatError {
  return new ChatError("unavailable", "Cannot use the store any more: it is closed");
}
