// Sends what waits in the outbox: one message at a time, in the order it was written, each until the server has it.
// One at a time, since a message that is refused for now (a full disk) must not be overtaken by the next one. The server
// stores each id once, so sending again after a broken connection is always right (protocol README, "Messages").
import { ChatError, ConnectionError, isTemporary } from "../errors.ts";
import type { Result } from "../protocol/requests.ts";

export interface OutboxMessage {
  readonly id: string;
  readonly to: string;
  readonly text: string;
}

export interface Outbox {
  first(): OutboxMessage | null;
  accepted(id: string, message: OutboxMessage, acknowledgement: Acknowledgement): void;
  /** Takes a message out of the queue that the server will never take; it is kept until its writer was told. */
  refused(id: string, error: ChatError): void;
}

export type Acknowledgement = Result<"send_message">;

export type SendOutcome =
  | { readonly kind: "stored"; readonly acknowledgement: Acknowledgement }
  | { readonly kind: "refused"; readonly error: ChatError };

export interface OutboxSenderOptions {
  readonly outbox: Outbox;
  readonly send: (message: OutboxMessage) => Promise<Acknowledgement>;
  readonly onOutcome: (message: OutboxMessage, outcome: SendOutcome) => void;
  /** The server does not take a message now; it is sent again. Told once, until the server answers for one. */
  readonly onHeldUp?: (message: OutboxMessage, error: ChatError) => void;
  /** Told of a fault that stopped the sender: until the next {@linkcode OutboxSender.wake}, or for a while where it may pass. */
  readonly onFault: (error: unknown) => void;
  readonly retryMs?: number; // pause before a temporary refusal is tried again where the server names none; 2 s by default
}

const RETRY_MS = 2_000;
/** The shortest pause: a server that asks for none is not asked hundreds of times a second. */
const SHORTEST_RETRY_MS = 50;
/**
 * How often the server may fail on one message (`internal`), or not answer for it (`timeout`). With pauses that double, the first
 * holds up the others for 14 s at most; waiting for answers comes on top.
 */
const MAX_FAULTS = 4;

/** Milliseconds to wait before asking again what was refused; undefined where waiting does not help. */
export function retryAfterMs(error: unknown, pauseMs = RETRY_MS): number | undefined {
  if (!(error instanceof ChatError && isTemporary(error))) return undefined;
  return Math.max(SHORTEST_RETRY_MS, error.retryAfterMs ?? pauseMs);
}

export class OutboxSender implements Disposable {
  readonly #options: OutboxSenderOptions;
  readonly #retryMs: number;
  #faults = { id: "", count: 0 }; // how often the server has failed on the message that is first in the queue
  #written: OutboxMessage | null = null; // the only message in the outbox, which need not be read back
  #hasFailed = false; // since the last success
  #heldUp: ChatError | null = null;
  #isRunning = false;
  #isWoken = false;
  #isDisposed = false;
  #timer: ReturnType<typeof setTimeout> | undefined; // set during a pause

  constructor(options: OutboxSenderOptions) {
    this.#options = options;
    this.#retryMs = options.retryMs ?? RETRY_MS;
  }

  /** Why the server took no message when it was last asked; null when it answered for it, or was not reached. */
  get heldUp(): ChatError | null {
    return this.#heldUp;
  }

  /** Starts to send what waits, and ends any pause: call it when there is a connection again. */
  resume(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.wake();
  }

  /** Starts to send what waits, unless the server has asked for a pause. `only` is what was added, where nothing else waits. */
  wake(only?: OutboxMessage): void {
    this.#isWoken = true;
    this.#written = only ?? null;
    if (this.#isRunning || this.#isDisposed || this.#timer !== undefined) return;
    this.#isRunning = true;
    this.#run().catch((error) => {
      if (!this.#hasFailed) this.#options.onFault(error);
      this.#hasFailed = true;
      // Such as a profile that another program holds, or whose disk is full: sending the message again stores it once.
      const againMs = retryAfterMs(error);
      if (againMs !== undefined) this.#wakeIn(againMs);
    });
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  #wakeIn(ms: number): void {
    if (!this.#isDisposed) this.#timer = setTimeout(() => this.resume(), ms);
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWoken && !this.#isDisposed) {
        this.#isWoken = false;
        let message = this.#next();
        while (message && !this.#isDisposed && await this.#sendOne(message)) message = this.#next();
      }
    } finally {
      // In one go with the last look at #isWoken, so that no call of wake() falls between.
      this.#isRunning = false;
    }
  }

  #next(): OutboxMessage | null {
    const message = this.#written ?? this.#options.outbox.first();
    this.#written = null;
    return message;
  }

  /** Returns false when sending has to stop for now. */
  async #sendOne(message: OutboxMessage): Promise<boolean> {
    const { outbox, send, onOutcome } = this.#options;
    let acknowledgement: Acknowledgement;
    try {
      acknowledgement = await send(message);
    } catch (error) {
      const hasLostSession = error instanceof ChatError && error.code === "unauthenticated";
      if (error instanceof ConnectionError || hasLostSession) {
        this.#heldUp = null;
        return false;
      }
      if (!(error instanceof ChatError)) throw error;
      const againMs = this.#pauseAfter(message, error);
      if (againMs !== null) {
        const isNews = this.#heldUp === null;
        this.#heldUp = error;
        if (isNews) this.#options.onHeldUp?.(message, error);
        this.#wakeIn(againMs);
        return false;
      }
      const refusal = givenUp(message, error);
      this.#heldUp = null;
      outbox.refused(message.id, refusal);
      onOutcome(message, { kind: "refused", error: refusal });
      return true;
    }
    outbox.accepted(message.id, message, acknowledgement);
    this.#hasFailed = false;
    this.#heldUp = null;
    onOutcome(message, { kind: "stored", acknowledgement });
    return true;
  }

  /** How long to wait before a refused message is sent again, in milliseconds; null when it will never be taken. */
  #pauseAfter({ id }: OutboxMessage, error: ChatError): number | null {
    if (error.code !== "internal" && error.code !== "timeout") {
      return retryAfterMs(error, this.#retryMs) ?? null;
    }
    this.#faults = { id, count: this.#faults.id === id ? this.#faults.count + 1 : 1 };
    return this.#faults.count < MAX_FAULTS ? this.#retryMs * 2 ** (this.#faults.count - 1) : null;
  }
}

/** What is told of a message that is not sent again. */
function givenUp({ to }: OutboxMessage, error: ChatError): ChatError {
  const { code } = error;
  if (code === "timeout") {
    return new ChatError(
      code,
      `Cannot tell whether the message was stored: the server gave no answer ${MAX_FAULTS} times, so it will not be sent again. It may have arrived: history ${to} shows it then`,
      { cause: error },
    );
  }
  if (code !== "internal") return error;
  return new ChatError(
    code,
    `Cannot store the message: the server failed on it ${MAX_FAULTS} times, so it will not be sent again. Its last error: ${error.message}`,
    { cause: error },
  );
}
