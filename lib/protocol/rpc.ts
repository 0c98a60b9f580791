/**
 * JSON-RPC 2.0 envelopes: reads a line of text as a request, notification, success or failure, and writes each.
 *
 * Knows the envelope only, never what a method means. It is checked by hand, not by a schema, since it is on the
 * path of every frame. Batches are refused, and ids are strings or integers (protocol README, "Envelope").
 * @see https://www.jsonrpc.org/specification
 * @module
 */
import { ChatError, ERROR_CODES, type ErrorCode, ProtocolError } from "../errors.ts";
import { encodeFrame } from "./frame.ts";
import { MAX_ID_CHARS, MAX_RETRY_AFTER_MS } from "./limits.ts";

/** The id that ties a reply to its request: a string of at most `MAX_ID_CHARS`, or a safe integer. */
export type RpcId = string | number;

/** The `error` member of a failed reply, as it is on the wire. */
export interface RpcErrorObject {
  /** JSON-RPC 2.0 error code; see {@linkcode RPC_CODES}. */
  readonly code: number;
  /** One sentence for people. */
  readonly message: string;
  /** For programs; absent from an error made by somebody else's JSON-RPC library. */
  readonly data?: {
    readonly code: ErrorCode;
    readonly retryAfterMs?: number; // absent where waiting does not help
    readonly reference?: string; // finds the fault in the server's log; only with `internal`
  };
}

/** Named parameters; undefined when the envelope has none. */
export type RpcParams = Readonly<Record<string, unknown>> | undefined;

/** A line that has been read. */
export type Envelope =
  | { readonly kind: "request"; readonly id: RpcId; readonly method: string; readonly params: RpcParams }
  | { readonly kind: "notification"; readonly method: string; readonly params: RpcParams }
  | { readonly kind: "success"; readonly id: RpcId; readonly result: unknown }
  | { readonly kind: "failure"; readonly id: RpcId | null; readonly error: RpcErrorObject };

/**
 * The JSON-RPC number that goes with each stable code. JSON-RPC's own numbers where it has one, the range it leaves
 * to servers (-32000 to -32099) for the rest.
 */
export const RPC_CODES: Readonly<Record<ErrorCode, number>> = {
  invalid: -32602,
  internal: -32603,
  unsupported_version: -32001,
  unauthenticated: -32002,
  forbidden: -32003,
  not_found: -32004,
  conflict: -32005,
  blocked: -32006,
  mailbox_full: -32007,
  too_large: -32008,
  rate_limited: -32009,
  timeout: -32010,
  unavailable: -32011,
};

/** JSON-RPC 2.0 §5.1: the text is not JSON. */
const RPC_PARSE_ERROR = -32700;
/** JSON-RPC 2.0 §5.1: JSON, but not a request. */
export const RPC_INVALID_REQUEST: number = -32600;
/** JSON-RPC 2.0 §5.1: no such method. */
export const RPC_METHOD_NOT_FOUND: number = -32601;

const KNOWN_CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/**
 * Reads one line.
 * Unknown members of the envelope are ignored. Which parameters a method takes is for its schema to say.
 * @throws {ProtocolError} `invalid` – -32700 when it is not JSON, -32600 when it is not one JSON-RPC 2.0 object.
 */
export function parseEnvelope(line: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ProtocolError(RPC_PARSE_ERROR, "Cannot read frame as it is not JSON");
  }
  if (typeof value !== "object" || value === null) return refuse("must be an object", value);
  if (Array.isArray(value)) return refuse("must be one object, as batches are not taken", value);
  const { jsonrpc, id, method, params, result, error } = value as Record<string, unknown>;
  if (jsonrpc !== "2.0") return refuse('must have "jsonrpc": "2.0"', jsonrpc);
  if (method !== undefined) {
    if (typeof method !== "string") return refuse("must have a string as method", method);
    if (!isParams(params)) return refuse("must have an object as params", params);
    if (id === undefined) return { kind: "notification", method, params };
    if (!isId(id)) {
      return refuse(`must have an integer or a string of at most ${MAX_ID_CHARS} characters as id`, id);
    }
    return { kind: "request", id, method, params };
  }
  if (error !== undefined && error !== null) {
    if (id !== null && !isId(id)) return refuse("must have the id of its request", id);
    return { kind: "failure", id, error: checkErrorObject(error) };
  }
  if (!("result" in value)) return refuse("must have a method, a result or an error", undefined);
  if (!isId(id)) return refuse("must have the id of its request", id);
  return { kind: "success", id, result };
}

/**
 * Makes the frame of a request.
 * @param id Unique among the requests of this connection that wait for a reply.
 * @throws {RangeError} When it is longer than a frame may be.
 */
export function encodeRequest(id: RpcId, method: string, params?: unknown): string {
  return encodeFrame({ jsonrpc: "2.0", id, method, params });
}

/**
 * Makes the frame of a notification (an event, on this wire). One frame can be sent to many connections.
 * @throws {RangeError} When it is longer than a frame may be.
 */
export function encodeNotification(method: string, params?: unknown): string {
  return encodeFrame({ jsonrpc: "2.0", method, params });
}

/**
 * Makes the frame of a successful reply.
 * @param result The method's result; `undefined` becomes `{}`, as JSON-RPC always wants one.
 * @throws {RangeError} When it is longer than a frame may be.
 */
export function encodeSuccess(id: RpcId, result: unknown): string {
  return encodeFrame({ jsonrpc: "2.0", id, result: result === undefined ? {} : result });
}

/**
 * Makes the frame of a failed reply.
 * @param id Null when that of the request could not be read.
 */
export function encodeFailure(id: RpcId | null, error: RpcErrorObject): string {
  return encodeFrame({ jsonrpc: "2.0", id, error });
}

/**
 * Turns anything that was thrown into its form on the wire.
 * @param error A {@linkcode ChatError} or {@linkcode ProtocolError} keeps its code and words; anything else is a
 *   fault of ours, of which the peer learns nothing but the reference.
 * @param reference Ties the reply to the operator's log.
 */
export function toRpcError(error: unknown, reference: string = makeReference()): RpcErrorObject {
  if (error instanceof ChatError) {
    const { code, message, retryAfterMs } = error;
    const data = retryAfterMs === undefined ? { code } : { code, retryAfterMs: Math.ceil(retryAfterMs) };
    return { code: RPC_CODES[code], message, data };
  }
  if (error instanceof ProtocolError) {
    return { code: error.rpcCode, message: error.message, data: { code: error.code } };
  }
  return {
    code: RPC_CODES.internal,
    message: `Something went wrong on this side; its operator finds it in the log as ${reference}`,
    data: { code: "internal", reference },
  };
}

/**
 * Turns a failed reply into the error to throw.
 * @param error The error object of the reply; text in it comes from the other end, so filter it before showing it.
 * @returns The error to throw; a code we do not know, or none, becomes `internal`.
 */
export function fromRpcError(error: RpcErrorObject): ChatError {
  const { retryAfterMs, code } = error.data ?? {};
  // Each says `hello` first, so it is the release that differs.
  const words = error.code === RPC_METHOD_NOT_FOUND
    ? `Cannot do that here, as the other side is of an older release: ${oneLine(error.message)}`
    : oneLine(error.message);
  return new ChatError(code ?? "internal", words, retryAfterMs === undefined ? {} : { retryAfterMs });
}

const MAX_MESSAGE_CHARS = 400; // of an error

/** Whoever refuses has one short sentence to say: not a screen full of lines that could be taken for this program's own. */
function oneLine(message: string): string {
  const line = message.slice(0, MAX_MESSAGE_CHARS * 2).replace(/[\s\u0085]+/gu, " ").trim();
  return line.length > MAX_MESSAGE_CHARS ? `${line.slice(0, MAX_MESSAGE_CHARS - 1)}…` : line;
}

/** A short word for the log and the reply to share: 8 hexadecimal digits, new each time. */
export function makeReference(): string {
  return crypto.randomUUID().slice(0, 8);
}

function isId(value: unknown): value is RpcId {
  if (typeof value !== "string") return Number.isSafeInteger(value);
  return value.length <= MAX_ID_CHARS ||
    (value.length <= MAX_ID_CHARS * 2 && [...value].length <= MAX_ID_CHARS);
}

function isParams(value: unknown): value is RpcParams {
  return value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value));
}

/** Keeps the well-formed members of a peer's error object. */
function checkErrorObject(value: unknown): RpcErrorObject {
  if (typeof value !== "object" || value === null) return refuse("must have an object as error", value);
  const { code, message, data } = value as Record<string, unknown>;
  if (!Number.isSafeInteger(code)) return refuse("must have an integer as error code", code);
  const checked = { code: code as number, message: typeof message === "string" ? message : "" };
  if (typeof data !== "object" || data === null) return checked;
  const { code: word, retryAfterMs, reference } = data as Record<string, unknown>;
  return {
    ...checked,
    data: {
      code: typeof word === "string" && KNOWN_CODES.has(word) ? word as ErrorCode : "internal",
      ...(typeof retryAfterMs === "number" && retryAfterMs >= 0
        ? { retryAfterMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) }
        : {}),
      ...(typeof reference === "string" ? { reference } : {}),
    },
  };
}

function refuse(rule: string, seen: unknown): never {
  const kind = seen === null ? "null" : Array.isArray(seen) ? "an array" : typeof seen;
  throw new ProtocolError(
    RPC_INVALID_REQUEST,
    `Cannot read frame as it ${rule}: received ${kind === "undefined" ? "none" : kind}`,
  );
}
