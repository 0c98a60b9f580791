/**
 * The outbox: every mail is written to disk before it is sent, and leaves only when its fate is known.
 *
 * Temporary failures are tried again with growing pauses; lasting ones are kept for the person. Between the end of a
 * mail and the note of the server's answer there is a moment in which a crash leaves the mail in doubt: it is then
 * neither sent again nor dropped by itself. Several processes may share one outbox, as the spool's lock decides who sends.
 * @module
 */
import { MailError } from "./mail_error.ts";
import type { BuiltMessage } from "./message.ts";
import type { OutboxEntry, OutboxProblem, OutboxStore, SendOutcome } from "./outbox_entry.ts";
import { type HeldMessage, MailSpool } from "./outbox/spool.ts";
import type { Acceptance, Submission, SubmissionOptions } from "./submission.ts";

const MINUTE_MS = 60_000;

/**
 * Pause after each attempt, milliseconds. The first are short, as greylisting opens after minutes; then RFC 5321
 * §4.5.4.1 asks for at least 30 minutes.
 */
const PAUSES_MS: readonly number[] = [1, 5, 15, 30, 60, 2 * 60, 4 * 60].map((minutes) => minutes * MINUTE_MS);
const JITTER = 0.2; // share of a pause that is left to chance, so that many mails do not come back at one moment

/** How long a mail is tried before it is given up, milliseconds (RFC 5321 §4.5.4.1: at least 4 to 5 days). */
const GIVE_UP_AFTER_MS = 5 * 24 * 60 * MINUTE_MS;

/** Hands one mail in for an account; throws {@linkcode MailError}. */
export type SubmitForAccount = (
  accountId: string,
  mail: Submission,
  options: SubmissionOptions,
) => Promise<Acceptance>;

/** An entry as a list shows it. */
export interface OutboxItem extends OutboxEntry {
  /** Whether some process is sending it now; an `in_doubt` entry that is being sent is not yet in doubt. */
  readonly isBeingSent: boolean;
}

/** A mail that has just been taken in, held so that no other process sends it. Dispose of it to leave it to all. */
export interface AddedMail extends Disposable {
  /** Its entry. */
  readonly entry: OutboxEntry;
  /** Sends it now, once, and lets it go. */
  send(options?: SubmissionOptions): Promise<SendOutcome>;
}

/** What an outbox works with. */
export interface OutboxParts {
  /** Keeps the entries. */
  readonly store: OutboxStore;
  /** Folder of the finished mails. */
  readonly spoolFolder: string;
  /** Hands a mail in. */
  readonly submit: SubmitForAccount;
  /** Epoch milliseconds; the system's clock by default. */
  readonly now?: () => number;
  /** 0 to 1; `Math.random` by default. */
  readonly random?: () => number;
}

/** Mails on their way, over a store and a folder that several processes may share. */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #store: OutboxStore;
  readonly #spool: MailSpool;
  readonly #now: () => number;

  /** Makes an outbox; nothing is read before it is used. */
  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#store = parts.store;
    this.#spool = new MailSpool(parts.spoolFolder);
    this.#now = parts.now ?? Date.now;
  }

  /**
   * Takes a mail in: it is on disk when this returns, not yet sent, and held.
   * @throws {Error} When the disk or an attachment cannot be read or written; nothing is kept then.
   */
  async add(accountId: string, message: BuiltMessage, subject: string): Promise<AddedMail> {
    const id = crypto.randomUUID();
    const sizeBytes = await this.#spool.write(id, message.stream);
    const held = await this.#spool.hold(id); // before there is an entry nobody else knows of it, so this finds it free
    if (typeof held === "string") throw new Error(`the new mail ${id} is ${held}`);
    const now = this.#now();
    const entry: OutboxEntry = {
      id,
      accountId,
      messageId: message.messageId,
      from: message.envelope.from,
      to: message.envelope.to,
      subject,
      sizeBytes,
      queuedAt: now,
      state: "queued",
      attempts: 0,
      nextAttemptAt: now,
      problem: null,
    };
    try {
      await this.#store.insertOutboxEntry(entry);
    } catch (error) {
      held[Symbol.dispose]();
      throw error;
    }
    const release = () => held[Symbol.dispose]();
    return {
      entry,
      send: (options = {}) => this.#attempt(entry, held, options).finally(release),
      [Symbol.dispose]: release,
    };
  }

  /**
   * Tries every mail that is due, oldest first, and puts back what a crash interrupted before it was handed over.
   * @param options.signal Stops between two mails, and ends the one under way.
   * @param options.onOutcome Called after each attempt.
   * @returns Epoch milliseconds of the next mail that will be due; `null` when none waits.
   */
  async sendDue(
    options: { signal?: AbortSignal; onOutcome?: (entry: OutboxEntry, outcome: SendOutcome) => void } = {},
  ): Promise<number | null> {
    const isDue = (entry: OutboxEntry) =>
      entry.state === "sending" || (entry.state === "queued" && entry.nextAttemptAt <= this.#now());
    for (const entry of await this.#store.listOutboxEntries()) {
      if (options.signal?.aborted) break;
      if (!isDue(entry)) continue;
      const outcome = await this.#sendIf(entry.id, isDue, { signal: options.signal });
      options.onOutcome?.(entry, outcome);
    }
    const waiting = (await this.#store.listOutboxEntries()).filter((entry) => entry.state === "queued");
    return waiting.length === 0 ? null : Math.min(...waiting.map((entry) => entry.nextAttemptAt));
  }

  /** Every mail that is not done with, oldest first. */
  async list(): Promise<OutboxItem[]> {
    const items: OutboxItem[] = [];
    for (const entry of await this.#store.listOutboxEntries()) {
      // Read once more where nobody is sending it: what was in doubt a moment ago may have been sent since.
      const settled = await this.#spool.lookAt(entry.id, () => this.#store.findOutboxEntry(entry.id));
      if (settled === "busy") items.push({ ...entry, isBeingSent: true });
      else if (settled !== null) items.push({ ...settled, isBeingSent: false });
    }
    return items;
  }

  /**
   * Sends a mail again that failed, waits, or is in doubt: the person has decided on the entry as `seen`. One that was
   * not in doubt then and is now is left for a new decision.
   */
  async retry(
    seen: Pick<OutboxEntry, "id" | "state">,
    options: SubmissionOptions = {},
  ): Promise<SendOutcome> {
    const mayTry = (entry: OutboxEntry) => entry.state !== "in_doubt" || seen.state === "in_doubt";
    return await this.#sendIf(seen.id, mayTry, options);
  }

  /**
   * Forgets a mail: the person does not want it sent, or knows that it arrived. `false` when another process is sending
   * it just now, and nothing was done.
   */
  async drop(id: string): Promise<boolean> {
    const held = await this.#spool.hold(id);
    if (held === "busy") return false;
    using _held = held === "missing" ? null : held;
    await this.#forget(id);
    return true;
  }

  /** Removes spool files that no entry speaks of; call it at the start of a program. */
  async sweep(): Promise<void> {
    const ids = (await this.#store.listOutboxEntries()).map((entry) => entry.id);
    await this.#spool.sweep(new Set(ids), this.#now());
  }

  /** The rule is applied under the lock: whoever held it before may have changed the entry. */
  async #sendIf(
    id: string,
    mayTry: (entry: OutboxEntry) => boolean,
    options: SubmissionOptions,
  ): Promise<SendOutcome> {
    const held = await this.#spool.hold(id);
    if (held === "busy") return { kind: "skipped" };
    if (held === "missing") return await this.#giveUpMissing(id);
    using message = held;
    const entry = await this.#store.findOutboxEntry(id);
    if (entry === null || !mayTry(entry)) return { kind: "skipped" };
    return await this.#attempt(entry, message, options);
  }

  async #attempt(entry: OutboxEntry, message: HeldMessage, options: SubmissionOptions): Promise<SendOutcome> {
    const attempts = entry.attempts + 1;
    await this.#store.updateOutboxEntry(entry.id, { state: "sending", attempts });
    const { sizeBytes, open } = message;
    const mail = { envelope: { from: entry.from, to: entry.to }, sizeBytes, open };
    let isMarked = false; // true once the entry is in doubt on disk
    let acceptance: Acceptance;
    try {
      acceptance = await this.#parts.submit(entry.accountId, mail, {
        ...options,
        beforeLastByte: async () => {
          isMarked = true;
          await this.#store.updateOutboxEntry(entry.id, { state: "in_doubt" });
          await options.beforeLastByte?.();
        },
      });
    } catch (error) {
      if (error instanceof MailError) return await this.#noteFailure(entry, error, attempts);
      // A fault of ours or of the disk. Only a mail whose end was certainly kept back may go out again by itself.
      if (!isMarked) {
        const nextAttemptAt = this.#nextAttempt(attempts);
        await this.#store.updateOutboxEntry(entry.id, { state: "queued", nextAttemptAt });
      }
      throw error;
    }
    // Outside the `try`: when this note fails, as on a full disk, the entry stays in doubt, which is the truth.
    return await this.#noteSent(entry, acceptance, attempts);
  }

  async #noteSent(entry: OutboxEntry, acceptance: Acceptance, attempts: number): Promise<SendOutcome> {
    const later = acceptance.refused.filter((error) => error.isTemporary);
    const [first] = later;
    if (first === undefined) {
      await this.#forget(entry.id);
    } else {
      await this.#store.updateOutboxEntry(entry.id, {
        to: later.flatMap((error) => error.recipients ?? []),
        state: "queued",
        nextAttemptAt: this.#nextAttempt(attempts),
        problem: toProblem(first),
      });
    }
    const { reply, accepted, refused } = acceptance;
    return { kind: "sent", reply, messageId: entry.messageId, accepted, refused };
  }

  async #noteFailure(entry: OutboxEntry, error: MailError, attempts: number): Promise<SendOutcome> {
    const problem = toProblem(error);
    if (error.fault === "in_doubt") {
      await this.#store.updateOutboxEntry(entry.id, { state: "in_doubt", problem });
      return { kind: "in_doubt", error };
    }
    const isTooOld = this.#now() - entry.queuedAt > GIVE_UP_AFTER_MS;
    if (error.isTemporary && !isTooOld) {
      const nextAttemptAt = this.#nextAttempt(attempts);
      await this.#store.updateOutboxEntry(entry.id, { state: "queued", nextAttemptAt, problem });
      return { kind: "queued", error, nextAttemptAt };
    }
    await this.#store.updateOutboxEntry(entry.id, { state: "failed", problem });
    return { kind: "failed", error };
  }

  async #giveUpMissing(id: string): Promise<SendOutcome> {
    if (await this.#store.findOutboxEntry(id) === null) return { kind: "skipped" };
    const sentence =
      "Cannot send the mail as its file was removed from this machine: drop it, and write it again";
    const error = new MailError("refused", sentence);
    await this.#store.updateOutboxEntry(id, { state: "failed", problem: toProblem(error) });
    return { kind: "failed", error };
  }

  /** The entry first: a file without an entry is swept later, an entry without a file would look like a loss. */
  async #forget(id: string): Promise<void> {
    await this.#store.removeOutboxEntry(id);
    await this.#spool.remove(id).catch(() => {}); // Windows does not remove a file that is open; the sweep does
  }

  #nextAttempt(attempts: number): number {
    const pauseMs = PAUSES_MS[Math.min(attempts, PAUSES_MS.length) - 1] ?? MINUTE_MS;
    const { random = Math.random } = this.#parts;
    return this.#now() + Math.round(pauseMs * (1 + JITTER * (random() - 0.5)));
  }
}

function toProblem(error: MailError): OutboxProblem {
  return { fault: error.fault, message: error.message, serverWords: error.serverWords ?? "" };
}
