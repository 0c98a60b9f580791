// Times, users and messages as the screen shows them. Everything that others wrote is made safe here.
import { bold, cyan, dim, green, yellow } from "../terminal/style.ts";
import { safeText } from "../terminal/safe_text.ts";
import type { UserEntry } from "../protocol/requests.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** In place of a text that was cleared, as its writer's account was deleted: no other text is empty. */
export const DELETED = "(deleted)";

/** How long ago something was, roughly: `just now`, `5 min ago`, `3 h ago`, `yesterday`, `12 days ago`. */
export function ago(then: number, now: number): string {
  const passed = Math.max(0, now - then);
  if (passed < MINUTE_MS) return "just now";
  if (passed < HOUR_MS) return `${Math.floor(passed / MINUTE_MS)} min ago`;
  if (passed < DAY_MS) return `${Math.floor(passed / HOUR_MS)} h ago`;
  const days = Math.floor(passed / DAY_MS);
  return days === 1 ? "yesterday" : `${days} days ago`;
}

/** A moment in the person's own time zone: `14:02` today, `Fri 20 Nov 14:02` this year, with the year before that. */
export function moment(at: number, now: number): string {
  const [date, today] = [new Date(at), new Date(now)];
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (date.toDateString() === today.toDateString()) return time;
  const year = date.getFullYear() === today.getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${DAYS[date.getDay()]} ${date.getDate()} ${MONTHS[date.getMonth()]}${year} ${time}`;
}

/** What is shown while something takes long: from 5 s on also for how long it has, so that nobody thinks that it hangs. */
export function waitLine(what: string, waitedMs: number): string {
  const seconds = Math.floor(waitedMs / 1_000);
  return `${what}… ${seconds < 5 ? "" : `${seconds} s so far `}(Ctrl+C stops)`;
}

export function userLine(user: UserEntry, nameWidth: number, now: number): string {
  const unread = user.unreadCount > 0 ? `  ${yellow(`${user.unreadCount} unread`)}` : "";
  const email = user.email === null ? "" : dim(`  ${safeText(user.email)}`);
  return `  ${cyan(safeText(user.name).padEnd(nameWidth))}  ${presence(user, now)}${unread}${email}`;
}

/** A message as the inbox shows it: a line with time and sender, then the text as it was written. */
export function messageLines(from: string, at: number, text: string, now: number, state = ""): string {
  const shown = text === "" ? dim(DELETED) : safeText(text, { multiline: true });
  const body = shown.split("\n").map((line) => `  ${line}`).join("\n");
  return `${bold(cyan(safeText(from)))} ${dim(moment(at, now) + state)}\n${body}`;
}

function presence(user: UserEntry, now: number): string {
  if (user.presence === "online") return green("online");
  if (user.presence === "idle") return yellow("idle");
  return dim(user.lastSeenAt === null ? "never signed in" : `last seen ${ago(user.lastSeenAt, now)}`);
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
