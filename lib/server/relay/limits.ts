// How much is relayed. Apart from the relay, as the flags name the defaults and a server reads its flags before it loads what counts.

export interface RelayLimits {
  readonly bytesPerDay: number; // of one account, both ways together; 0 turns the relay off
  readonly maxMs: number; // longest life of one relay
  readonly perAccount: number; // relays at once
  readonly total: number; // relays at once
}

/** A day of chat with some files for everybody; a few chats at once, since a broken one may linger. */
export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  bytesPerDay: 1024 * 1024 * 1024,
  maxMs: 12 * 3_600_000,
  perAccount: 4,
  total: 500,
};
