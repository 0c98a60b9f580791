/**
 * Requests and events by which the server brings two clients together for a direct chat: the invitation, the exchange
 * of addresses, the moment to punch, the relay.
 *
 * The messages between the two clients are in `peer_messages.ts`. PEER.md beside this file explains
 * both with examples.
 * @module
 */
import * as z from "zod";
import { nameField, timeField, uuidField } from "./fields.ts";

/** Most addresses that one side may name: a machine has a few, and each costs the other side an attempt. */
export const MAX_CHAT_ADDRESSES = 16;

/** Longest certificate in PEM, in characters: a P-256 one has about 700. */
const MAX_CERTIFICATE_CHARS = 4_096;

/** One block of PEM (RFC 7468) whose DER begins as a certificate's does: a sequence with a long form of length. */
const CERTIFICATE =
  /^[\t-\r ]*-----BEGIN CERTIFICATE-----[\t-\r ]*MI[A-Za-z0-9+/=\t-\r ]*-----END CERTIFICATE-----[\t-\r ]*$/;

const done = z.object({});

/** The id of a chat: a UUID made by the host. */
export const chatIdField: z.ZodString = uuidField("a chat id");

/** 128 random bits, base64url without padding. */
const secretField = z.string().regex(/^[A-Za-z0-9_-]{22}$/, "a secret is 128 bits in base64url");

/** The host's certificate for one chat alone, by its shape; whether TLS takes it, the friend's machine says. */
const certificateField = z.string().refine(
  (pem) => pem.length <= MAX_CERTIFICATE_CHARS && CERTIFICATE.test(pem),
  `a certificate is one in PEM, of at most ${MAX_CERTIFICATE_CHARS} characters, from -----BEGIN CERTIFICATE----- to ` +
    "-----END CERTIFICATE-----, with nothing around it",
);

const portField = z.int().min(1).max(65_535);
const addressField = z.union([z.ipv4(), z.ipv6()]);

/** An IP address as text, and a TCP port. */
const endpointField = z.strictObject({ address: addressField, port: portField });

/** An address at which the host of a chat may be reached, and how it became known. */
const placeField = z.strictObject({
  address: addressField,
  port: portField,
  /** `own`: on an interface of the machine. `mapped`: its router forwards it. `seen`: where the server saw it. */
  kind: z.enum(["own", "mapped", "seen"]),
});

const roundField = z.int().min(1);

const invitation = z.object({
  chatId: chatIdField,
  from: nameField,
  port: portField, // port that the host listens on
  openedAt: timeField,
});

/** Parameters and result of each request about direct chats, by method name. */
export const CHAT_REQUESTS = {
  /** Opens a chat for one friend, or, with the id of the caller's own open chat, updates its addresses. */
  open_chat: {
    params: z.strictObject({
      chatId: chatIdField,
      to: nameField,
      port: portField,
      places: z.array(placeField).max(MAX_CHAT_ADDRESSES), // places to reach the host at; the server adds the one it sees
      certificate: certificateField,
      secret: secretField, // the friend proves it in the chat; given to the friend alone, and only on joining
      /** True when the friend has joined before: the chat goes on, and nobody is invited to it. */
      isJoined: z.boolean().optional(),
    }),
    result: z.object({
      seenAddress: z.string(), // address that the host's connection to the server comes from
      isFriendOnline: z.boolean(), // whether the friend is signed in now; an absent friend finds the invitation later
    }),
  },
  /** Closes the caller's own chat, or takes the caller out of one that it joined, which is then open again. */
  close_chat: { params: z.strictObject({ chatId: chatIdField }), result: done },
  /** Chats that others hold open for this account. */
  list_chats: { params: z.strictObject({}), result: z.object({ chats: z.array(invitation) }) },
  /**
   * Accepts an invitation and begins a round of attempts; again by the same account, to begin the next round.
   */
  join_chat: {
    params: z.strictObject({
      chatId: chatIdField,
      /** The chat's secret, from the second round on: proves that the caller is in it, on any connection. */
      secret: secretField.optional(),
      wantsRelay: z.boolean().optional(), // false when this round needs no relay; true when it is left out
    }),
    result: z.object({
      chatId: chatIdField,
      host: nameField,
      places: z.array(placeField).max(MAX_CHAT_ADDRESSES + 1),
      certificate: z.string().max(MAX_CERTIFICATE_CHARS),
      secret: secretField,
      round: roundField,
      /** Opens the joiner's half of the relay in this round; left out where none is wanted. */
      relayTicket: secretField.optional(),
    }),
  },
  /** Sends the endpoints of this side's punching port; once both sides have sent theirs, the server says when to punch. */
  offer_punch: {
    params: z.strictObject({
      chatId: chatIdField,
      round: roundField,
      endpoints: z.array(endpointField).max(MAX_CHAT_ADDRESSES),
    }),
    result: done,
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;

/** Content of each event about direct chats, by method name. */
export const CHAT_EVENTS = {
  /** A friend holds a chat open; sent to all signed-in devices at once; others ask with `list_chats` after login. */
  chat_invited: invitation,
  /**
   * A chat is over: `by` has closed it, or has been disconnected from the server for too long; or, to the host, takes no invitation
   * of the host any more, or is gone or disabled.
   */
  chat_closed: z.object({
    chatId: chatIdField,
    by: nameField,
    reason: z.enum(["closed", "gone", "declined"]),
  }),
  /** To the host: the friend begins a round of attempts. */
  chat_joined: z.object({
    chatId: chatIdField,
    by: nameField,
    round: roundField,
    /** Opens the host's half of the relay in this round; left out where the friend wants none. */
    relayTicket: secretField.optional(),
  }),
  /** To the friend who has joined: the host has connected again, perhaps from elsewhere; without a link, the friend begins a new round. */
  chat_reopened: z.object({ chatId: chatIdField }),
  /** To both: connect now to these endpoints of the other, from the port that was offered. */
  chat_punch: z.object({
    chatId: chatIdField,
    round: roundField,
    endpoints: z.array(endpointField).max(MAX_CHAT_ADDRESSES),
    startInMs: z.int().min(0).max(10_000), // milliseconds from now until both begin
  }),
} as const satisfies Record<string, z.ZodType>;

/** Requests that have a TLS connection of their own, with the ALPN name `SIDE_ALPN`; one on each. */
export const SIDE_REQUESTS = {
  /** Returns the address from which this connection comes; sent from the port that will punch. */
  find_address: { params: z.strictObject({}), result: endpointField },
  /** Turns this connection into one half of a relay. */
  relay: {
    params: z.strictObject({ ticket: secretField }),
    /** Sent once both sides have opened their half; every byte after its line end is from the other side. */
    result: z.object({
      maxBytes: z.int(), // most bytes that the relay copies, both ways together
      maxMs: z.int(), // longest life of the relay in milliseconds
    }),
  },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>;

/** An IP address and a TCP port. */
export type Endpoint = z.output<typeof endpointField>;
/** An address at which the host of a chat may be reached. */
export type Place = z.output<typeof placeField>;
/** An open chat as its friend sees it before joining. */
export type Invitation = z.output<typeof invitation>;
/** Parameters of `open_chat`. */
export type OpenChat = z.output<typeof CHAT_REQUESTS.open_chat.params>;
/** Result of `join_chat`. */
export type JoinedChat = z.output<typeof CHAT_REQUESTS.join_chat.result>;
/** Content of each event, by name. */
export type ChatEvents = { readonly [E in keyof typeof CHAT_EVENTS]: z.output<(typeof CHAT_EVENTS)[E]> };
/** Parameters of `join_chat`. */
export type JoinChat = z.output<typeof CHAT_REQUESTS.join_chat.params>;
/** Content of `chat_closed`. */
export type ChatClosed = z.output<typeof CHAT_EVENTS.chat_closed>;
/** Content of `chat_joined`. */
export type ChatJoined = z.output<typeof CHAT_EVENTS.chat_joined>;
