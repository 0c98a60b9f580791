// The limits of the throttles, apart from what applies them: a start reads these alone.
export interface ThrottleLimits {
  readonly failedLoginsPerAccount: number; // from one address in 15 minutes
  readonly failedLoginsPerAddress: number; // in 15 minutes, over all accounts
  readonly failedLoginsByStrangers: number; // to one account from anywhere, before each next one has to wait for a turn
  readonly registrationsPerAddress: number; // in an hour
  readonly reportsPerAccount: number; // in an hour
  readonly sendsPerSecond: number; // from one account, for long; a burst of two seconds' worth goes at once
}

/** Rates that serve a community behind a few shared addresses. */
export const DEFAULT_THROTTLES: ThrottleLimits = {
  failedLoginsPerAccount: 10,
  failedLoginsPerAddress: 100,
  failedLoginsByStrangers: 50,
  registrationsPerAddress: 20,
  reportsPerAccount: 10,
  sendsPerSecond: 100,
};
