// The files of an export, as schemas: what is written, and what `schema.json` says of it.
import * as z from "zod";

const time = z.int().describe("milliseconds since 1970-01-01 UTC");

/** A line of `messages.jsonl`. */
const message = z.strictObject({
  sequence: z.int().describe("place in the order of all messages of the server; never used twice"),
  id: z.string().describe("the sender's id for it"),
  from: z.string(),
  to: z.string(),
  text: z.string().describe("empty when the sender has deleted the account"),
  storedAt: time,
  state: z.enum(["stored", "delivered", "read"]).exactOptional().describe(
    "of a message that the account sent",
  ),
}).describe(
  "one line of messages.jsonl: a message, in or out; conversation by conversation, each oldest first",
);

/** A line of `people.jsonl`. */
const person = z.strictObject({
  name: z.string(),
  messages: z.int().min(0),
}).describe(
  "one line of people.jsonl: somebody with whom messages were exchanged, in the order of messages.jsonl",
);

/** `account.json`. */
const account = z.strictObject({
  account: z.string(),
  server: z.string(),
  exportedAt: time,
  shareRead: z.boolean().describe("whether senders learn what was read"),
  email: z.string().nullable().describe("address that other users see"),
  blocked: z.array(z.string()).describe("users whose messages are refused"),
}).describe("account.json");

export type ExportedMessage = z.output<typeof message>;
export type ExportedPerson = z.output<typeof person>;
export type ExportedAccount = z.output<typeof account>;

/** JSON Schema (2020-12) of a line of `messages.jsonl`, with those of the other files in its `$defs`. */
export function exportSchema(): object {
  return {
    ...z.toJSONSchema(message),
    $defs: { person: z.toJSONSchema(person), account: z.toJSONSchema(account) },
  };
}
