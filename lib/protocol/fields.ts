/**
 * Schemas of the fields that requests, results and events share.
 *
 * They are zod's. Weighed against valibot 1.5.0 (2026-11, `tests/bench/schemas.ts`), million parses a second: `send_message`
 * 2.7 against 2.8, `acknowledge` 6.1 against 6.2, `message_received` 3.1 against 2.7. At start valibot is lighter: import
 * 13 against 5 ms, 36 schemas 6 against 1 ms, their first parse 4 against 1 ms. So valibot would save a start 16 ms and no
 * frame anything; that is not worth new words for every refusal, which programs and people have seen. Look again when a
 * start has nothing dearer.
 * @module
 */
import * as z from "zod";
import { quote } from "../errors.ts";
import {
  MAX_ESCAPED_TEXT_UNITS,
  MAX_NAME_CHARS,
  MAX_PASSWORD_CHARS,
  MAX_REASON_CHARS,
  MAX_TEXT_BYTES,
  MIN_PASSWORD_CHARS,
} from "./limits.ts";

/** A JSON escape takes at most six units (`\u0000`); texts shorter than this need no measuring. */
const SURELY_SHORT_UNITS = Math.min(Math.floor(MAX_TEXT_BYTES / 3), Math.floor(MAX_ESCAPED_TEXT_UNITS / 6));

const utf8 = new TextEncoder();

/** Bytes of a string in UTF-8. */
export function utf8Bytes(text: string): number {
  return utf8.encode(text).length;
}

/** How a text is too long, in words; null when it is not. */
function excessOf(text: string): string | null {
  if (text.length <= SURELY_SHORT_UNITS) return null;
  const bytes = utf8Bytes(text);
  if (bytes > MAX_TEXT_BYTES) return `at most ${MAX_TEXT_BYTES} bytes of UTF-8: received ${bytes}`;
  const units = JSON.stringify(text).length;
  return units > MAX_ESCAPED_TEXT_UNITS
    ? `at most ${MAX_ESCAPED_TEXT_UNITS} characters when control characters are escaped: received ${units}`
    : null;
}

/** Something that is seen: no white space, and nothing that takes no room; the blank of Braille is neither by its properties. */
const SEEN = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether a text shows nothing: it is empty, or has only white space and invisible characters. */
export function isBlank(text: string): boolean {
  return !SEEN.test(text);
}

/** A UUID in lower case; `what` names it in the refusal. */
export function uuidField(what: string): z.ZodString {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  return z.string().regex(uuid, `${what} is a UUID in lower case`);
}

/** Account name: 1 to 32 of `a-z 0-9 _ . -`. */
export const nameField: z.ZodString = z.string().regex(new RegExp(`^[a-z0-9_.-]{1,${MAX_NAME_CHARS}}$`), {
  error: (issue) =>
    `a name is 1 to ${MAX_NAME_CHARS} of the characters a-z, 0-9, _ . and -: received ${
      quote(String(issue.input))
    }`,
});

/** Password of a login: no lower bound, so that a short wrong one is refused as wrong and not as invalid. */
export const anyPasswordField: z.ZodString = z.string()
  .max(MAX_PASSWORD_CHARS, `a password has at most ${MAX_PASSWORD_CHARS} characters`)
  // It is hashed as UTF-8, in which all halves of surrogate pairs would be the same.
  .refine((text) => text.isWellFormed(), "a password is well-formed Unicode: received a lone surrogate");

/** Password in clear, as typed; compared after Unicode normalisation (NFKC). */
export const passwordField: z.ZodString = anyPasswordField
  .min(MIN_PASSWORD_CHARS, `a password has at least ${MIN_PASSWORD_CHARS} characters`);

/** Message id, made by the sending client: a UUID, version 7 so that ids sort by time (RFC 9562 §5.7). */
export const messageIdField: z.ZodString = uuidField("a message id");

/**
 * Makes the id of a new message: a UUID of version 7, which is its time in milliseconds and random bits (RFC 9562 §5.7).
 * Two ids of one millisecond sort in any order.
 */
export function newMessageId(now: number = Date.now()): string {
  const time = now.toString(16).padStart(12, "0");
  const random = crypto.randomUUID(); // version 4: from the version's digit on, it has the form of version 7
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}

/** Text that a person wrote: not empty, well-formed Unicode, at most 16 KiB of UTF-8. */
export const textField: z.ZodString = z.string()
  .min(1, "a text holds at least one character")
  .refine((text) => text.isWellFormed(), "a text is well-formed Unicode: received a lone surrogate")
  .refine((text) => excessOf(text) === null, {
    error: ({ input }) =>
      `a text has ${excessOf(String(input))}; send it in several messages, or as a file in a direct chat`,
    params: { code: "too_large" },
  });

/** Text of a message, which shows something. */
export const messageTextField: z.ZodString = textField.refine(
  (text) => !isBlank(text),
  "a message shows something: received only spaces or invisible characters",
);

/** Position in a mailbox: a whole number from 0 up. */
export const sequenceField: z.ZodInt = z.int().min(0);

/** The last moment that a `Date` can hold (ECMA-262, Time Values): one beyond it has no day that could be shown. */
const LAST_MS = 8.64e15;

/** Milliseconds since 1970-01-01 UTC. */
export const timeField: z.ZodInt = z.int().min(-LAST_MS).max(LAST_MS);

/** Whether the store gives a text back as it is: UTF-8 has no lone surrogate, and a column no U+0000. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** E-mail address that a user publishes; its form is checked loosely, since only delivery proves it. */
export const emailField: z.ZodString = z.string().max(254, "an e-mail address has at most 254 characters")
  .regex(
    /^[^\s<>@,;:"]+@[^\s<>@,;:"]+$/,
    "an e-mail address looks like ann@example.org",
  )
  .refine(isStorable, "an e-mail address is well-formed Unicode without U+0000");

/** Why somebody is reported, in the reporter's words. */
export const reasonField: z.ZodString = z.string().min(1, "a reason holds at least one character")
  .max(MAX_REASON_CHARS, `a reason has at most ${MAX_REASON_CHARS} characters`)
  .refine(isStorable, "a reason is well-formed Unicode without U+0000")
  .refine((text) => !isBlank(text), "a reason shows something: received only spaces or invisible characters");

/** What a server has made and looks up: a join code, a token or the id of a device; `what` names it in the refusal. */
export function codeField(what: string): z.ZodString {
  return z.string().max(64, `${what} has at most 64 characters`)
    .refine(isStorable, `${what} is well-formed Unicode without U+0000`);
}

/** Free short text such as the name of a device. */
export const labelField: z.ZodString = z.string().min(1).max(64).refine(
  isStorable,
  "a label is well-formed Unicode without U+0000",
);
