/**
 * The error classes and codes that every part of the program may throw.
 *
 * A code is a promise to other programs: clients and tests match codes, people read messages. Anything thrown
 * that is none of these classes is a fault of ours: the peer sees `internal`, the operator's log has the rest.
 * @module
 */

/** Every code that a reply's `error.data.code` can hold; the list is closed (protocol README, "Errors"). */
export const ERROR_CODES = [
  "invalid", // a field is missing, extra, of the wrong type, or breaks a rule
  "unsupported_version", // the protocol versions of both sides do not fit
  "unauthenticated", // log in first; or the name, password or token was wrong
  "forbidden", // known who you are; not allowed
  "not_found", // no such user, message, chat
  "conflict", // the name is taken; the chat is already open
  "blocked", // the recipient does not take messages from you
  "mailbox_full", // the recipient must read before more is taken
  "too_large", // over an announced limit
  "rate_limited", // too often; `retryAfterMs` says when to come back
  "timeout", // no answer in time
  "unavailable", // the server is stopping, or cannot store now (a full disk); try again later
  "internal", // a fault of the server; its log has the details
] as const;

/** One of {@linkcode ERROR_CODES}. */
export type ErrorCode = typeof ERROR_CODES[number];

/** A request that is understood but refused. The session goes on. */
export class ChatError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "ChatError";
  /** Stable code; see {@linkcode ERROR_CODES}. */
  readonly code: ErrorCode;
  /** Milliseconds to wait before the same request can succeed; unset where waiting does not help. */
  readonly retryAfterMs: number | undefined;

  /**
   * A refusal.
   *
   * @param code Stable code.
   * @param message What could not be done, then the value seen and the one wanted; no final period.
   * @param options.retryAfterMs Milliseconds until a retry makes sense.
   * @param options.cause The error underneath, kept for the log.
   */
  constructor(code: ErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Refusals that time mends. */
const TEMPORARY: ReadonlySet<ErrorCode> = new Set(["unavailable", "rate_limited", "timeout", "internal"]);

/** Whether the same request may succeed later, with nothing changed but the time. */
export function isTemporary(error: ChatError): boolean {
  return TEMPORARY.has(error.code);
}

/** Bytes that are not the protocol. The connection that sent them is closed with this as its reason. */
export class ProtocolError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "ProtocolError";
  /** JSON-RPC 2.0 §5.1 error code: -32700 not JSON, -32600 not a request, … */
  readonly rpcCode: number;
  /** Stable code for `error.data.code`. */
  readonly code: ErrorCode;

  /**
   * A fault of framing or envelope.
   *
   * @param rpcCode JSON-RPC 2.0 error code.
   * @param message What was wrong, with the value seen.
   * @param code Stable code; `invalid` by default.
   */
  constructor(rpcCode: number, message: string, code: ErrorCode = "invalid") {
    super(message);
    this.rpcCode = rpcCode;
    this.code = code;
  }
}

/** A connection that could not be made, or was lost. Callers back off and try again. */
export class ConnectionError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "ConnectionError";
}

/** The server's certificate is not the one that was pinned. Never retried without a person. */
export class TrustError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "TrustError";
}

/** A wrong flag, argument or answer of the person at the keyboard. */
export class UsageError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "UsageError";
}

/**
 * Standard output that takes no more: a full disk, a reader that has gone, a terminal that is no longer there. What was
 * printed and not flushed since may not have arrived.
 */
export class OutputError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "OutputError";
}

/** Nobody is signed in: the person has to log in first. */
export class NotSignedInError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "NotSignedInError";
}

/** A direct chat ended before all of one's lines had reached the other side. */
export class UndeliveredError extends Error {
  /** Tells the classes apart where `instanceof` cannot: in logs and across workers. */
  override readonly name = "UndeliveredError";
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The message of a failed call of the system, without its number and its arguments, where the words before it name the file. */
export function systemReasonOf(error: unknown): string {
  return messageOf(error).replace(/ \(os error \d+\).*$/s, "");
}

/** A text as it may stand in a message: escaped by JSON, and cut where it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}
