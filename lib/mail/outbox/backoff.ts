/**
 * When a mail that was refused for now is tried again.
 * @module
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Pause after each attempt, milliseconds. The first are short, as greylisting opens after minutes; then RFC 5321
 * §4.5.4.1 asks for at least 30 minutes.
 */
const PAUSES_MS: readonly number[] = [1, 5, 15, 30, 60, 2 * 60, 4 * 60].map((minutes) => minutes * MINUTE_MS);
/** Share of a pause that is left to chance, so that many mails do not come back at one moment. */
const JITTER = 0.2;

/** How long a mail is tried before it is given up, milliseconds (RFC 5321 §4.5.4.1: at least 4 to 5 days). */
export const GIVE_UP_AFTER_MS: number = 5 * 24 * HOUR_MS;

export function nextAttemptAt(attempts: number, now: number, random: number): number {
  const pauseMs = PAUSES_MS[Math.min(attempts, PAUSES_MS.length) - 1] ?? MINUTE_MS;
  return now + Math.round(pauseMs * (1 + JITTER * (random - 0.5)));
}
