/**
 * The requests that two clients send each other in a direct chat, inside TLS.
 *
 * The first two, `greet` and `take`, make a link out of a connection. All others carry a `seq` and belong to the
 * channel, which outlives its links: the reply says that the other side has it. PEER.md explains each with an example.
 * @module
 */
import * as z from "zod";
import { chatIdField } from "./chat_messages.ts";
import { labelField, textField } from "./fields.ts";

/** Version of the peer protocol; both sides must have the same. */
export const PEER_PROTOCOL_VERSION = 1;

/** Most bytes of a file in one `file_chunk`: its base64 and envelope fit one frame. */
export const FILE_CHUNK_BYTES = 32 * 1024;

/** Longest name of an offered file, in characters. */
const MAX_FILE_NAME_CHARS = 255;

/** 256 bits in base64url without padding. */
const hash256Field = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "256 bits in base64url");
const sequenceField = z.int().min(1);
const seq = { seq: sequenceField };
/** Highest `seq` that this side has shown or saved; 0 before the first. */
const receivedField = z.int().min(0);
/** The id of a file within the chat, made by its sender. */
const fileField = z.string().min(1).max(36);

/** The routes between the two machines, as both programs show them. */
const ROUTES = [
  "direct, LAN",
  "direct, IPv6",
  "direct, internet",
  "direct, mapped",
  "direct, punched",
  "relayed",
] as const;

/** One of them. */
export type Route = typeof ROUTES[number];

/** Parameters and result of the requests that prove a link; only the joiner sends them. */
export const LINK_REQUESTS = {
  /** First line on a connection: proves the secret, and binds the joiner to a nonce it does not show yet. */
  greet: {
    params: z.strictObject({
      protocol: z.int(),
      client: labelField,
      chatId: chatIdField,
      /** False on the first link of a chat; true when a channel of this chat goes on over a new link. */
      isResume: z.boolean(),
      commitment: hash256Field, // SHA-256 of the joiner's nonce
      proof: hash256Field, // keyed with the secret, or with the channel's key when it goes on
    }),
    result: z.object({ client: labelField, nonce: hash256Field, proof: hash256Field }),
  },
  /** Makes this link the one in use, and shows the nonce. */
  take: {
    params: z.strictObject({
      nonce: hash256Field,
      route: z.enum(ROUTES),
      received: receivedField,
      /** Keyed with the channel's key: on a link that was greeted before the channel began on another one. */
      resume: hash256Field.optional(),
    }),
    result: z.object({ received: receivedField }),
  },
} as const;

/** The reasons for which a file is not received. */
export const FILE_FAILURES = [
  "refused",
  "cancelled",
  "busy",
  "disk_full",
  "cannot_write",
  "damaged",
  "stuck",
] as const;

/** One of {@linkcode FILE_FAILURES}. */
export type FileFailure = typeof FILE_FAILURES[number];

/** Parameters of the channel's requests, either way; the result of each is an empty object. */
export const PEER_REQUESTS = {
  line: z.strictObject({ ...seq, text: textField }), // the text that a person wrote
  skip: z.strictObject({ ...seq }), // no effect: the request that had this `seq` was too large for the network, and is taken back
  bye: z.strictObject({ ...seq }), // the person ends the chat
  /** Asks to send a file. */
  file_offer: z.strictObject({
    ...seq,
    file: fileField,
    name: z.string().min(1).max(MAX_FILE_NAME_CHARS),
    bytes: z.int().min(0),
    sha256: hash256Field,
  }),
  /** The other person accepts it, from this byte on: the bytes before it have arrived earlier. */
  file_accept: z.strictObject({ ...seq, file: fileField, offset: z.int().min(0) }),
  /** The next piece, in base64; at most {@linkcode FILE_CHUNK_BYTES} before coding. */
  file_chunk: z.strictObject({ ...seq, file: fileField, data: z.base64() }),
  /** From the receiver: all of it is on disk and its SHA-256 is right. */
  file_saved: z.strictObject({ ...seq, file: fileField }),
  /** From either side: the file is not sent any further. */
  file_failed: z.strictObject({ ...seq, file: fileField, reason: z.enum(FILE_FAILURES) }),
} as const;

/** Name of a channel request. */
export type PeerMethod = keyof typeof PEER_REQUESTS;
/** Content of a channel request, without the `seq` that the channel adds. */
export type PeerContent<M extends PeerMethod> = Omit<z.output<(typeof PEER_REQUESTS)[M]>, "seq">;
/** A channel request that has arrived. */
export type PeerMessage = {
  readonly [M in PeerMethod]: { readonly method: M; readonly content: z.output<(typeof PEER_REQUESTS)[M]> };
}[PeerMethod];
/** Parameters of `greet`. */
export type Greet = z.output<typeof LINK_REQUESTS.greet.params>;
/** Parameters of `take`. */
export type Take = z.output<typeof LINK_REQUESTS.take.params>;

/**
 * Checks a channel request.
 * @returns Null for an unknown method, or for content that does not fit its schema.
 */
export function parsePeerMessage(method: string, params: unknown): PeerMessage | null {
  if (!Object.hasOwn(PEER_REQUESTS, method)) return null;
  const outcome = PEER_REQUESTS[method as PeerMethod].safeParse(params);
  return outcome.success ? { method, content: outcome.data } as PeerMessage : null;
}
