/**
 * Sends what waits in the outbox: one message at a time, in the order it was written, each until the server has it.
 *
 * One at a time, since a message that is refused for now (a full disk) must not be overtaken by the next one. The server
 * stores each id once, so sending again after a broken connection is always right (protocol README, "Messages").
 * @module
 */
import { ChatError, LinkError } from "../errors.ts";
import type { Result } from "../protocol/requests.ts";

/** A message that was written and is not yet with the server. */
export interface OutboxMessage {
  /** UUIDv7. */
  readonly id: string;
  /** Name of the recipient. */
  readonly to: string;
  /** What was written. */
  readonly text: string;
  /** When it was written, in epoch milliseconds. */
  readonly createdAt: number;
}

/** The outbox as it is kept on disk. */
export interface Outbox {
  /** The oldest message that waits; null when none does. */
  first(): OutboxMessage | null;
  /** Forgets a message that the server has. */
  accepted(id: string): void;
  /** Takes a message out of the queue that the server will never take; it is kept until its writer was told. */
  refused(id: string, error: ChatError): void;
}

/** What the server said to a message. */
export type Acknowledgement = Result<"send_message">;

/** What an {@linkcode OutboxSender} works with. */
export interface OutboxSenderOptions {
  /** What waits to be sent. */
  readonly outbox: Outbox;
  /** Sends one message and waits for its acknowledgement. */
  readonly send: (message: OutboxMessage) => Promise<Acknowledgement>;
  /** Told of each message that the server has stored. */
  readonly onAccepted: (message: OutboxMessage, acknowledgement: Acknowledgement) => void;
  /** Told of each message that the server will not take. */
  readonly onRefused: (message: OutboxMessage, error: ChatError) => void;
  /** Told of a fault that stopped the sender until the next {@linkcode OutboxSender.wake}. */
  readonly onFault: (error: unknown) => void;
}

/** Refusals that time mends. */
const TEMPORARY = new Set<string>(["unavailable", "rate_limited", "timeout", "internal"]);

/** Pause before a temporary refusal is tried again when the server names none, in milliseconds. */
const RETRY_MS = 2_000;

/**
 * How long to wait before asking again what was refused.
 *
 * @returns Milliseconds; undefined where waiting does not help.
 */
export function retryAfterMs(error: unknown): number | undefined {
  return error instanceof ChatError && TEMPORARY.has(error.code) ? error.retryAfterMs ?? RETRY_MS : undefined;
}

/** Empties the outbox while there is a connection. */
export class OutboxSender implements Disposable {
  readonly #options: OutboxSenderOptions;
  #isRunning = false;
  #isWoken = false;
  #isDisposed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Sends nothing until {@linkcode OutboxSender.wake}. */
  constructor(options: OutboxSenderOptions) {
    this.#options = options;
  }

  /** Starts to send what waits: call it when a message was added, and when the connection is there again. */
  wake(): void {
    this.#isWoken = true;
    if (this.#isRunning || this.#isDisposed) return;
    clearTimeout(this.#timer);
    this.#isRunning = true;
    this.#run().catch(this.#options.onFault);
  }

  /** Sends nothing more. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWoken && !this.#isDisposed) {
        this.#isWoken = false;
        let message = this.#options.outbox.first();
        while (message && !this.#isDisposed && await this.#sendOne(message)) {
          message = this.#options.outbox.first();
        }
      }
    } finally {
      // In one go with the last look at #isWoken, so that no call of wake() falls between.
      this.#isRunning = false;
    }
  }

  /** Returns false when sending has to stop for now. */
  async #sendOne(message: OutboxMessage): Promise<boolean> {
    const { outbox, send, onAccepted, onRefused } = this.#options;
    let acknowledgement: Acknowledgement;
    try {
      acknowledgement = await send(message);
    } catch (error) {
      const hasLostSession = error instanceof ChatError && error.code === "unauthenticated";
      if (error instanceof LinkError || hasLostSession) return false;
      if (!(error instanceof ChatError)) throw error;
      const againMs = retryAfterMs(error);
      if (againMs !== undefined) {
        this.#timer = setTimeout(() => this.wake(), againMs);
        return false;
      }
      outbox.refused(message.id, error);
      onRefused(message, error);
      return true;
    }
    outbox.accepted(message.id);
    onAccepted(message, acknowledgement);
    return true;
  }
}
