/** How much the server keeps. Bytes are UTF-8 bytes of message text. */
export interface StoreLimits {
  readonly mailboxMessages: number; // unread ones an account may have waiting; `rules.ts` shares them out among senders
  readonly mailboxBytes: number; // of unread text that an account may have waiting
  readonly historyDays: number; // that a message is kept after it was stored, once it is history (`verbs/prune.ts`)
  readonly historyBytes: number; // of history kept for each account; the oldest go first
}

export const DEFAULT_STORE_LIMITS: StoreLimits = {
  mailboxMessages: 20_000,
  mailboxBytes: 64 * 1024 * 1024,
  historyDays: 365,
  historyBytes: 256 * 1024 * 1024,
};

export const DAY_MS = 24 * 60 * 60 * 1000;

/** Time without use after which a login ends and its device holds no messages back. */
export const DEVICE_IDLE_MS = 90 * DAY_MS;

/** Time after it was stored for which what was read on one device is kept for the account's others. */
export const DEVICE_LAG_MS = 7 * DAY_MS;

/** How exactly the last use is noted: a write for each reconnect would cost an fsync and tell nobody anything. */
export const USE_PRECISION_MS = 60 * 60 * 1000;
