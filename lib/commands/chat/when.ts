// Moments as people write them: `2d`, `3h`, `yesterday`, `14:00`, `2026-11-20`, `2026-11-20T14:00`. Times are the person's own.
import { UsageError } from "../../errors.ts";
import { oneLine } from "../../terminal/safe_text.ts";

const MINUTE_MS = 60_000;
const UNITS_MS: Readonly<Record<string, number>> = {
  m: MINUTE_MS,
  min: MINUTE_MS,
  h: 60 * MINUTE_MS,
  d: 24 * 60 * MINUTE_MS,
  w: 7 * 24 * 60 * MINUTE_MS,
};

const AGO = /^(\d{1,6})(m|min|h|d|w)$/;
const CLOCK = /^(\d{1,2}):(\d{2})$/;
const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)?$/;
const WITH_ZONE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** The moment in epoch milliseconds; a day alone is its beginning. Throws `UsageError` for what is no moment. */
export function parseWhen(text: string, now: number): number {
  const at = momentOf(text.trim(), now);
  if (at !== null && Number.isFinite(at)) return at;
  throw new UsageError(
    `Cannot take ${
      oneLine(text, 30) || "nothing"
    } as a time: give, for example, 2d, 3h, 30min, yesterday, 14:00, ` +
      "2026-11-20 or 2026-11-20T14:00",
  );
}

function momentOf(text: string, now: number): number | null {
  const today = new Date(now);
  const dayAt = (days: number) =>
    new Date(today.getFullYear(), today.getMonth(), today.getDate() + days).getTime();
  if (text === "now") return now;
  if (text === "today") return dayAt(0);
  if (text === "yesterday") return dayAt(-1);
  const ago = AGO.exec(text);
  if (ago) return now - Number(ago[1]) * UNITS_MS[ago[2]!]!;
  const clock = CLOCK.exec(text);
  if (clock) {
    return local(today.getFullYear(), today.getMonth() + 1, today.getDate(), ...numbers(clock.slice(1)));
  }
  const date = DATE.exec(text);
  if (date) return local(...(numbers(date.slice(1)) as [number, number, number]));
  return WITH_ZONE.test(text) ? Date.parse(text) : null;
}

/** A moment of the person's own time zone; null for a day or an hour that there is not, such as 30 February. */
function local(year: number, month: number, day: number, hour = 0, minute = 0, second = 0): number | null {
  const at = new Date(year, month - 1, day, hour, minute, second);
  const isDay = at.getMonth() === month - 1 && at.getDate() === day;
  return isDay && hour < 24 && minute < 60 && second < 60 ? at.getTime() : null;
}

function numbers(texts: readonly (string | undefined)[]): number[] {
  return texts.filter((text) => text !== undefined).map(Number);
}
