// The command `history`: the messages between this account and another user, from the server or, without a connection, from the
// copy on this disk, which says how far it reaches.
import { UsageError } from "../../errors.ts";
import { type HistoryRange, newestFirst, oldestFirst } from "../../client/history.ts";
import type { HistoryEntry } from "../../protocol/requests.ts";
import type { CopyReach, MessageCopy } from "../../profile/message_copy.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { jsonLine, oneLine, safeText } from "../../terminal/safe_text.ts";
import { yellow } from "../../terminal/style.ts";
import type { App } from "../app.ts";
import { count } from "../../count.ts";
import { messageLines, moment } from "../format.ts";
import { parseWhen } from "./when.ts";
import { typedName } from "./typed_name.ts";

/** What was given of the range, as it was typed. */
export interface RangeFlags {
  readonly limit?: string;
  readonly since?: string;
  readonly before?: string;
}

export function historyCommand(app: App): MenuCommand {
  return {
    name: "history",
    usage: "USER [--limit N | …]",
    summary: "Show the messages between you and another user",
    details:
      "history USER [--limit N] [--since WHEN] [--before WHEN]: a page at a time, the newest first.\n" +
      "WHEN is 2d, 3h, 30min, yesterday, 14:00, 2026-11-20 or 2026-11-20T14:00.\n" +
      "Without a connection it shows what was seen here (settings local-history off keeps nothing of it).",
    complete: (args) => completeFirstWord(args, app.names()),
    run: async (args, { terminal, signal }) => {
      const { name, flags } = parseArguments(args);
      const range = parseRange(flags, Date.now());
      const client = app.client();
      const copy = app.isOnline ? null : app.account!.records.copy;
      if (copy) await terminal.print(yellow(copyNote(app, copy.reach(name), name)));
      const pages = copy ? newestFirst(fromCopy(copy, name), range) : client.history(name, range, { signal });
      let isFirst = true;
      for await (const page of pages) {
        if (!isFirst && !await terminal.wantsMore("Show earlier messages?", false)) {
          const whole = `mini-chat-client history ${safeText(name)} prints all`;
          if (!terminal.isInteractive) app.warn(`Earlier messages are left out; ${whole}.`);
          return;
        }
        isFirst = false;
        for (const message of page) await terminal.print(line(message), false);
      }
      if (!isFirst || copy) return;
      const isAll = Object.keys(flags).length === 0;
      await terminal.print(
        isAll
          ? `You and ${safeText(name)} have not written to each other yet.`
          : `You and ${safeText(name)} have written nothing to each other then.`,
      );
    },
  };
}

/** The subcommand: oldest first, page by page as it comes. */
export async function printHistory(
  app: App,
  name: string,
  options: RangeFlags & { readonly json: boolean },
): Promise<void> {
  const range = parseRange(options, Date.now());
  await printPages(app, app.client().historyFromStart(name, range), options.json);
}

/** The same from the copy of an account, with a word beside the output about how far it reaches. */
export async function printCopy(
  app: App,
  copy: MessageCopy,
  name: string,
  options: RangeFlags & { readonly json: boolean },
): Promise<void> {
  const range = parseRange(options, Date.now());
  await printPages(app, oldestFirst(fromCopy(copy, name), range), options.json);
  await app.terminal.flush();
  app.warn(copyNote(app, copy.reach(name), name));
}

/** Reads the flags of both forms. Throws `UsageError` for what is no number or no time. */
function parseRange({ limit, since, before }: RangeFlags, now: number): HistoryRange {
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(limit)) {
    throw new UsageError(
      `Cannot show ${oneLine(limit, 20) || "no"} messages: --limit takes a number from 1 on`,
    );
  }
  const range = {
    limit: limit === undefined ? undefined : Number(limit),
    since: since === undefined ? undefined : parseWhen(since, now),
    before: before === undefined ? undefined : parseWhen(before, now),
  };
  if ((range.since ?? -Infinity) >= (range.before ?? Infinity)) {
    throw new UsageError("Cannot show anything as --since is not earlier than --before");
  }
  return range;
}

async function printPages(
  app: App,
  pages: AsyncIterable<readonly HistoryEntry[]>,
  isJson: boolean,
): Promise<void> {
  for await (const page of pages) {
    for (const message of page) await app.terminal.print(isJson ? jsonLine(message) : line(message));
  }
}

function fromCopy(copy: MessageCopy, name: string) {
  return (before: number | null) => Promise.resolve(copy.page(name, before));
}

/** What a person has to know about a copy: that it is one, and where it may have gaps. */
function copyNote({ profile }: App, { messages, newestAt, whole }: CopyReach, name: string): string {
  const now = Date.now();
  if (newestAt === null) {
    return profile.copiesMessages
      ? `Not connected, and the copy on this disk has no messages between you and ${safeText(name)}.`
      : "Not connected, and no copy is kept on this disk; settings local-history on has one kept from then on.";
  }
  const what = `Not connected: this is the copy on this disk, with ${count(messages, "message")} up to ${
    moment(newestAt, now)
  }.`;
  if (whole === null) return `${what} It has what was seen here, and may not be complete.`;
  const until = moment(whole.until, now);
  return whole.from === null
    ? `${what} It is complete up to ${until}, as far back as the server kept messages; later ones may be missing.`
    : `${what} Not complete before ${moment(whole.from, now)}, nor after ${until}.`;
}

/** Reads `bob --limit 20 --since "2026-11-20 14:00"`. */
function parseArguments(args: string): { readonly name: string; readonly flags: RangeFlags } {
  const words = (args.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"(.*)"$/, "$1"));
  const flags: { limit?: string; since?: string; before?: string } = {};
  const names: string[] = [];
  while (words.length > 0) {
    const word = words.shift()!;
    const [, flag, glued] = /^--(limit|since|before)(?:=(.*))?$/.exec(word) ?? [];
    if (flag !== undefined) flags[flag as keyof RangeFlags] = glued ?? words.shift() ?? "";
    else names.push(typedName(word));
  }
  const [name, ...others] = names;
  if (name === undefined) {
    throw new UsageError("Cannot show a history without a name: type, for example, history bob");
  }
  if (others.length > 0) {
    throw new UsageError(`Cannot take ${oneLine(others.join(" "), 40)} behind history ${oneLine(name, 40)}`);
  }
  return { name, flags };
}

function line({ from, storedAt, text, state }: HistoryEntry): string {
  return messageLines(from, storedAt, text, Date.now(), state === undefined ? "" : `, ${state}`);
}
