// Walks through a conversation page by page, wherever the pages come from: the server, or a copy of what was seen.
import { ChatError } from "../errors.ts";
import type { HistoryEntry, Result } from "../protocol/requests.ts";

export type HistoryPage = Result<"fetch_history">;

/** Gives the newest page, or the one before a sequence. */
export type FetchPage = (before: number | null) => Promise<HistoryPage>;

/** Which part is wanted; all of it by default. Times in epoch milliseconds, by the clock of the server. */
export interface HistoryRange {
  readonly since?: number | undefined; // from this moment on
  readonly before?: number | undefined; // up to, but without
  readonly limit?: number | undefined; // of what is left, so many of the newest
}

/** Newest page first; each page is oldest first. */
export async function* newestFirst(
  fetch: FetchPage,
  range: HistoryRange = {},
): AsyncGenerator<readonly HistoryEntry[]> {
  let left = range.limit ?? Infinity;
  let before: number | null = null;
  do {
    const page: HistoryPage = await fetch(before);
    mustBeOlder(page, before);
    const wanted = page.messages.filter((message) => isIn(range, message));
    const messages = wanted.slice(Math.max(0, wanted.length - left));
    if (messages.length > 0) yield messages;
    left -= messages.length;
    before = isPast(range, page) ? null : page.next;
  } while (before !== null && left > 0);
}

/** Oldest page first. One page is held at a time, so all but the oldest are asked for twice: back, then forward. */
export async function* oldestFirst(
  fetch: FetchPage,
  range: HistoryRange = {},
): AsyncGenerator<readonly HistoryEntry[]> {
  const { limit = Infinity } = range;
  const ends: (number | null)[] = [null]; // of the pages still to come, newest first; null is the end of the history
  let doneBelow = 0; // every message with a lower sequence has been given
  let found = 0; // on the way back
  let isGoingBack = true;
  while (ends.length > 0) {
    const end = ends.at(-1) ?? null;
    const page = await fetch(end);
    mustBeOlder(page, end);
    const messages = page.messages.filter((message) => message.sequence >= doneBelow && isIn(range, message));
    if (isGoingBack) found += messages.length;
    // Also where the pages have shifted since the way back, as messages were added or have expired.
    const hasOlder = page.next !== null && page.next > doneBelow;
    if (hasOlder && (!isGoingBack || (found < limit && !isPast(range, page)))) {
      ends.push(page.next);
      continue;
    }
    isGoingBack = false;
    const surplus = messages.splice(0, Math.max(0, found - limit));
    found -= surplus.length;
    if (messages.length > 0) yield messages;
    doneBelow = end ?? Infinity;
    ends.pop();
  }
}

/** Throws where pages by name never end: one would ask that server for ever. */
export function mustGetFurther(next: string | null, after: string | null): void {
  if (next !== null && next <= (after ?? "")) throw noFurther(next);
}

/** Throws unless a page leads to older messages only. */
export function mustBeOlder({ next }: HistoryPage, before: number | null): void {
  if (next !== null && next >= (before ?? Infinity)) throw noFurther(next);
}

function noFurther(next: string | number): ChatError {
  return new ChatError(
    "internal",
    `Cannot read on: the server gave ${next} as its next page, which is no further; tell its operator`,
  );
}

function isIn({ since = -Infinity, before = Infinity }: HistoryRange, { storedAt }: HistoryEntry): boolean {
  return storedAt >= since && storedAt < before;
}

/** Whether nothing wanted can come before a page: all of it is too old. Not some of it, as a server's clock may be set. */
function isPast({ since }: HistoryRange, { messages }: HistoryPage): boolean {
  return since !== undefined && messages.length > 0 && messages.every(({ storedAt }) => storedAt < since);
}
