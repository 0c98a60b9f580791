// Quiet hours: a part of each day, by the clock on the wall, so that a change to summer time moves nothing.
import { UsageError } from "../../errors.ts";
import { oneLine } from "../../terminal/safe_text.ts";

const HOURS = /^([01]?\d|2[0-3])(?::([0-5]\d))?-([01]?\d|2[0-3])(?::([0-5]\d))?$/;

/** Reads `22:00-07:00` or `22-7`, and gives it in full. Throws `UsageError` for anything else. */
export function parseQuietHours(text: string): string {
  const [from, to] = minutesOf(text) ?? [0, 0];
  if (from !== to) return `${clock(from)}-${clock(to)}`;
  throw new UsageError(
    `Cannot be quiet at ${oneLine(text, 20)}: give two times, for example 22:00-07:00, or off`,
  );
}

/** Whether a moment is in the hours: from the first minute on, up to but without the last. They may go over midnight. */
export function isQuiet(hours: string, at: Date): boolean {
  const found = minutesOf(hours);
  if (found === null) return false;
  const [from, to] = found;
  const now = at.getHours() * 60 + at.getMinutes();
  return from < to ? now >= from && now < to : now >= from || now < to;
}

/** Both ends, in minutes after midnight. */
function minutesOf(text: string): [from: number, to: number] | null {
  const found = HOURS.exec(text);
  if (!found) return null;
  const [, fromHour, fromMinute = "0", toHour, toMinute = "0"] = found;
  return [Number(fromHour) * 60 + Number(fromMinute), Number(toHour) * 60 + Number(toMinute)];
}

function clock(minutes: number): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
