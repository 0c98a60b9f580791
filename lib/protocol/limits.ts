/**
 * Limits and names of the protocol; the limits are announced in the reply to `hello`.
 *
 * They are constants of the protocol, not settings: both ends and the tests read them here. What an operator may
 * change (mailbox size, connections per address, …) is a setting of the server instead.
 * @module
 */

/** Version of the wire protocol; raised when an old client could no longer talk to a new server. */
export const PROTOCOL_VERSION = 1;
/** Port that a server listens on, and that clients assume, when none is given. */
export const DEFAULT_PORT = 7667;
/** ALPN name (RFC 7301) of a TLS connection for one of `SIDE_REQUESTS`: no `hello` is sent on it. */
export const SIDE_ALPN = "mini-chat-direct";
/** Longest frame either side may send, in bytes with its LF: the longest text, escaped, and its envelope. */
export const MAX_FRAME_BYTES = 64 * 1024;
/** Longest id of a request that is a string, in code points: a reply repeats it, and has to fit one frame. */
export const MAX_ID_CHARS = 64;
/** Longest message text in bytes of UTF-8. */
export const MAX_TEXT_BYTES = 16 * 1024;
/**
 * Longest message text as an escaped JSON string, in UTF-16 units. A text of control characters grows sixfold when
 * escaped; this keeps its event, which has more fields than the request that brought it, under one frame.
 */
export const MAX_ESCAPED_TEXT_UNITS = 40 * 1024;
/** Longest account name in characters; the alphabet is `[a-z0-9_.-]`. */
export const MAX_NAME_CHARS = 32;
/** Shortest password in characters: NIST SP 800-63B §5.1.1.2 asks for 8 at least and no other rule. */
export const MIN_PASSWORD_CHARS = 8;
/** Longest password in characters. */
export const MAX_PASSWORD_CHARS = 256;
/** Requests that one connection may have waiting for a reply; the server reads no further until one is answered. */
export const MAX_PENDING_REQUESTS = 256;
/** Most users in one page of `list_users`. */
export const MAX_USERS_PER_PAGE = 200;
/** Most messages in one page of `fetch_history`; fewer where they would not fit one frame. */
export const MAX_HISTORY_PER_PAGE = 200;
/** Accounts that one page of `list_conversations` looks through; their names fit one frame. */
export const ACCOUNTS_PER_CONVERSATION_PAGE = 1_000;
/** Longest reason of a report, in characters. */
export const MAX_REASON_CHARS = 1_000;
/** Most messages in one report. */
export const MAX_REPORTED_MESSAGES = 20;
/** Silence after which an end sends a `ping` request, in milliseconds. */
export const PING_AFTER_MS = 15_000;
/** Silence after which the other end counts as gone, in milliseconds. */
export const DEAD_AFTER_MS = 45_000;
/**
 * Longest that a server's `retryAfterMs` counts for, in milliseconds: a day. More can only be a mistake, and beyond 2^31 ms a
 * timer would fire at once, again and again.
 */
export const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000;
