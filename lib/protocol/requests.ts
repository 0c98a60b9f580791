/**
 * Every request a client can send to the server, with the schemas of its parameters and of its result.
 *
 * The parameters are strict: an unknown field is refused. Results are not: a client ignores fields it does not know, so
 * that a newer server can add some. The wire form around them is in `rpc.ts`; README.md beside this file explains each
 * with an example.
 * @module
 */
import * as z from "zod";
import { ChatError } from "../errors.ts";
import { CHAT_REQUESTS } from "./chat_messages.ts";
import {
  anyPasswordField,
  codeField,
  emailField,
  labelField,
  messageIdField,
  messageTextField,
  nameField,
  passwordField,
  reasonField,
  sequenceField,
  timeField,
} from "./fields.ts";
import { MAX_HISTORY_PER_PAGE, MAX_REPORTED_MESSAGES, MAX_USERS_PER_PAGE } from "./limits.ts";

const empty = z.strictObject({});
const done = z.object({});

const signedIn = z.object({
  name: nameField,
  token: z.string(), // opens the next session without the password: 256 random bits, base64url
  deviceId: z.string(), // names this device in later logins; its cursors are kept under it
  readSequence: sequenceField, // highest sequence that this device has shown
  shareRead: z.boolean(),
  email: emailField.nullable(),
});

const device = {
  /** The id that an earlier login on this device returned; absent on the first one. */
  deviceId: codeField("the id of a device").exactOptional(),
  deviceName: labelField.exactOptional(), // a name for the device; absent means `unnamed`
};

const userEntry = z.object({
  name: nameField,
  presence: z.enum(["online", "idle", "offline"]),
  /** When a session of this user last ended; null before the first one has. */
  lastSeenAt: timeField.nullable(),
  unreadCount: z.int().min(0), // messages from this user that the asking account has not read on any device
  email: z.string().nullable(), // address that the user publishes; null when none
});

const historyEntry = z.object({
  sequence: sequenceField,
  id: messageIdField,
  from: nameField,
  to: nameField,
  text: z.string(),
  storedAt: timeField,
  /** Whether the message was delivered or read; only on messages that the asking account sent. */
  state: z.enum(["stored", "delivered", "read"]).exactOptional(),
});

/** Parameters and result of each request, by method name. */
export const REQUESTS = {
  hello: {
    params: z.strictObject({
      protocol: z.int(),
      client: z.strictObject({ name: labelField, version: labelField }),
    }),
    result: z.object({
      protocol: z.int(),
      server: z.object({ name: z.string(), version: z.string() }),
      time: timeField, // the server's clock
      registration: z.enum(["open", "invite", "closed"]),
      limits: z.object({
        frameBytes: z.int(),
        textBytes: z.int(),
        nameChars: z.int(),
        pendingRequests: z.int(),
        pingAfterMs: z.int(),
        deadAfterMs: z.int(),
      }),
    }),
  },
  register: {
    params: z.strictObject({
      name: nameField,
      password: passwordField,
      joinCode: codeField("a join code").exactOptional(),
      ...device,
    }),
    result: signedIn,
  },
  login: {
    params: z.strictObject({ name: nameField, password: anyPasswordField, ...device }),
    result: signedIn,
  },
  resume: { params: z.strictObject({ token: codeField("a token") }), result: signedIn },
  logout: { params: empty, result: done },
  bye: { params: empty, result: done },
  list_users: {
    params: z.strictObject({
      name: nameField.exactOptional(), // only this user; the page is then one entry, or empty
      after: nameField.exactOptional(), // names after this one, in the order of their bytes
      limit: z.int().min(1).max(MAX_USERS_PER_PAGE).exactOptional(),
    }),
    result: z.object({ users: z.array(userEntry), next: nameField.nullable() }),
  },
  send_message: {
    params: z.strictObject({ id: messageIdField, to: nameField, text: messageTextField }),
    result: z.object({
      id: messageIdField,
      sequence: sequenceField,
      storedAt: timeField,
      duplicate: z.boolean(), // true when this id had been stored before; nothing was stored now
    }),
  },
  subscribe: {
    params: z.strictObject({ after: sequenceField.exactOptional() }),
    result: z.object({
      /** Highest sequence in the mailbox now: once it has arrived (or is ≤ `after`), all waiting messages have. */
      upTo: sequenceField,
    }),
  },
  acknowledge: {
    params: z.strictObject({ delivered: sequenceField.exactOptional(), read: sequenceField.exactOptional() }),
    result: done,
  },
  fetch_history: {
    params: z.strictObject({
      with: nameField,
      before: sequenceField.exactOptional(), // messages below this sequence; absent means the newest
      limit: z.int().min(1).max(MAX_HISTORY_PER_PAGE).exactOptional(),
    }),
    result: z.object({
      messages: z.array(historyEntry), // in the order of their sequence
      next: sequenceField.nullable(), // give it as `before` for the page of older messages; null when there is none
    }),
  },
  list_conversations: {
    params: z.strictObject({ after: nameField.exactOptional() }),
    result: z.object({
      names: z.array(nameField), // of users with whom messages were exchanged, in the order of their bytes; may be empty
      next: nameField.nullable(), // give it as `after` for the next page; null when there is none
    }),
  },
  set_presence: { params: z.strictObject({ presence: z.enum(["online", "idle"]) }), result: done },
  update_settings: {
    params: z.strictObject({
      shareRead: z.boolean().exactOptional(),
      email: emailField.nullable().exactOptional(),
    }),
    result: z.object({ shareRead: z.boolean(), email: z.string().nullable() }),
  },
  block_user: { params: z.strictObject({ name: nameField }), result: done },
  unblock_user: { params: z.strictObject({ name: nameField }), result: done },
  list_blocked: { params: empty, result: z.object({ names: z.array(nameField) }) },
  report_user: {
    params: z.strictObject({
      name: nameField,
      why: reasonField,
      messages: z.array(sequenceField).max(MAX_REPORTED_MESSAGES).exactOptional(), // of this user to the asking account
    }),
    result: z.object({ report: z.int() }), // its number, for a talk with the operator
  },
  change_password: {
    params: z.strictObject({ oldPassword: anyPasswordField, newPassword: passwordField }),
    result: done,
  },
  delete_account: { params: z.strictObject({ password: anyPasswordField }), result: done },
  ...CHAT_REQUESTS,
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;

/** Name of a request. */
export type RequestName = keyof typeof REQUESTS;
/** Parameters of a request after they were checked. */
export type Params<M extends RequestName> = z.output<(typeof REQUESTS)[M]["params"]>;
/** Result of a request as it is sent. */
export type Result<M extends RequestName> = z.output<(typeof REQUESTS)[M]["result"]>;
/** One user in the reply to `list_users`. */
export type UserEntry = z.output<typeof userEntry>;
/** One message in the reply to `fetch_history`. */
export type HistoryEntry = z.output<typeof historyEntry>;
/** Reply to `register`, `login` and `resume`. */
export type SignedIn = z.output<typeof signedIn>;

/** Whether a method name is one of ours. */
export function isRequestName(method: string): method is RequestName {
  return Object.hasOwn(REQUESTS, method);
}

/**
 * Checks the parameters of a request.
 * @param params As received; absent parameters count as `{}`.
 * @throws {ChatError} `invalid` when a field is missing, unknown, of another type or against a rule; `too_large` when
 * a text is over its limit.
 */
export function parseParams<M extends RequestName>(method: M, params: unknown): Params<M> {
  return checked(REQUESTS[method].params, params ?? {}, method) as Params<M>;
}

/**
 * Checks a result that the server sent; unknown fields are dropped.
 * @throws {ChatError} `internal` when it does not have the shape that the protocol gives it.
 */
export function parseResult<M extends RequestName>(method: M, result: unknown): Result<M> {
  const outcome = REQUESTS[method].result.safeParse(result);
  if (outcome.success) return outcome.data as Result<M>;
  throw new ChatError(
    "internal",
    "Cannot understand the server's answer: it is of another release, or broken; tell its operator " +
      `(${method}: ${sentence(outcome.error)})`,
  );
}

/** Runs a schema over `value`, and turns its first complaint into a sentence about `what`. */
export function checked<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const outcome = schema.safeParse(value);
  if (outcome.success) return outcome.data;
  throw new ChatError(codeOf(outcome.error), `Cannot take ${what}: ${sentence(outcome.error)}`);
}

/**
 * Checks what a person gave for a request before it is sent, so that they read what is wrong and no names of the wire.
 * @param failure What cannot be done, such as `Cannot send`.
 * @throws {ChatError} `invalid` or `too_large`, as the server would.
 */
export function checkedRequest<M extends RequestName>(
  method: M,
  params: unknown,
  failure: string,
): Params<M> {
  const outcome = REQUESTS[method].params.safeParse(params);
  if (outcome.success) return outcome.data as Params<M>;
  throw new ChatError(codeOf(outcome.error), `${failure}: ${wordsOf(outcome.error)}`);
}

function codeOf({ issues: [first] }: z.ZodError): "invalid" | "too_large" {
  return first?.code === "custom" && first.params?.["code"] === "too_large" ? "too_large" : "invalid";
}

function sentence(error: z.ZodError): string {
  const path = error.issues[0]?.path.join(".").slice(0, 60);
  return path ? `${path}: ${wordsOf(error)}` : wordsOf(error);
}

function wordsOf({ issues: [first] }: z.ZodError): string {
  const text = first?.message ?? "unknown reason";
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
