/**
 * Every event that the server sends to a client, as a JSON-RPC notification.
 * @module
 */
import * as z from "zod";
import { CHAT_EVENTS } from "./chat_messages.ts";
import { messageIdField, nameField, sequenceField, timeField } from "./fields.ts";

/** Content of each event, by method name. */
export const EVENTS = {
  /** A message for this account; its sequence is higher than that of every one before it on this connection. */
  message_received: z.object({
    sequence: sequenceField,
    id: messageIdField,
    from: nameField,
    text: z.string(),
    storedAt: timeField,
  }),
  /** Every message sent to `by` up to these sequences was delivered, or read; only the sequence that has moved is sent. */
  receipt: z.object({
    by: nameField,
    delivered: sequenceField.exactOptional(),
    read: sequenceField.exactOptional(),
  }),
  /** The server lets nobody stay: it goes down, or has lost the database that it shares. Connect again after this time. */
  server_stopping: z.object({ retryAfterMs: z.int(), reason: z.enum(["no_database"]).exactOptional() }),
  /** This session ends, and trying again with its token does not help: the user must log in again. */
  session_ended: z.object({ reason: z.enum(["revoked", "password_changed"]) }),
  ...CHAT_EVENTS,
} as const satisfies Record<string, z.ZodType>;

/** Name of an event. */
export type EventName = keyof typeof EVENTS;
/** Content of an event. */
export type Event<E extends EventName> = z.output<(typeof EVENTS)[E]>;
/** An event with its name. */
export type AnyEvent = { [E in EventName]: { readonly name: E; readonly content: Event<E> } }[EventName];
/** A message as `message_received` carries it. */
export type ReceivedMessage = Event<"message_received">;

/**
 * Reads an event of the server.
 * @returns `null` for an event this client does not know, or whose content does not fit its schema: a newer server may
 * send more than this client understands, and that is no reason to end the connection.
 */
export function parseEvent(method: string, params: unknown): AnyEvent | null {
  if (!Object.hasOwn(EVENTS, method)) return null;
  const name = method as EventName;
  const outcome = EVENTS[name].safeParse(params);
  return outcome.success ? { name, content: outcome.data } as AnyEvent : null;
}
