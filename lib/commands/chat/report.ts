// The command `report`: tells the server's operator about a user, with messages that the person chooses.
import { ChatError, UsageError } from "../../errors.ts";
import { MAX_REPORTED_MESSAGES } from "../../protocol/limits.ts";
import type { HistoryEntry, Params } from "../../protocol/requests.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";
import { dim } from "../../terminal/style.ts";
import type { App } from "../app.ts";
import { count } from "../../count.ts";
import { messageLines } from "../format.ts";
import { splitName } from "./send.ts";
import { typedName } from "./typed_name.ts";

/** Messages that the menu offers. */
const OFFERED = 5;

export function reportCommand(app: App): MenuCommand {
  return {
    name: "report",
    usage: "[USER [WHY]]",
    summary: "Report a user to the server's operator",
    details:
      "The operator sees your name, your reason and the messages that you choose, as the server has them, and no others.",
    complete: (args) => completeFirstWord(args, app.names()),
    run: async (args, { terminal, signal }) => {
      app.client();
      const ask = async (prompt: string) => (await terminal.readLine({ prompt, multiline: false }))?.trim();
      const [given, givenReason] = splitName(args);
      const name = typedName((given || await ask("User: ")) ?? "");
      if (!name) return;
      const offered = await newestFrom(app, name, OFFERED, signal);
      for (const [index, { from, storedAt, text }] of [...offered.entries()].reverse()) {
        const lines = messageLines(from, storedAt, text, Date.now());
        await terminal.print(`${dim(`${index + 1}`)} ${lines}`, false);
      }
      const answer = offered.length === 0
        ? ""
        : await ask("Which of these shall the operator read? Numbers such as 1 3, all, or Enter for none: ");
      if (answer === undefined) return;
      const messages = chosen(offered, answer);
      const why = givenReason || await ask("Why: ");
      if (!why) return await terminal.print("Nothing was reported: there is no reason.");
      const report = await send(app, { name, why, messages });
      await terminal.print(
        `Reported ${safeText(name)}: it is report ${report}. The operator can read your reason and ${
          count(messages.length, "message")
        }, no others.`,
      );
    },
  };
}

/** The subcommand. @param which Ids of messages, or how far back each is among those of this user: 1 is the newest. */
export async function reportOnce(
  app: App,
  { name, why, which }: { readonly name: string; readonly why: string; readonly which: readonly string[] },
  options: { readonly json: boolean },
): Promise<void> {
  const messages = which.length === 0 ? [] : await find(app, name, which);
  const report = await send(app, { name, why, messages });
  await app.terminal.print(options.json ? jsonLine({ report }) : `Report ${report}`);
}

/** Returns the report's number. */
async function send(app: App, params: Params<"report_user">): Promise<number> {
  const { report } = await app.change("report_user", params, {
    whether: "the report has arrived",
    look: "You cannot see it here; reporting again makes a second one at worst",
  });
  return report;
}

/** Sequences of the messages that the answer names. */
function chosen(offered: readonly HistoryEntry[], answer: string): number[] {
  if (answer === "all") return offered.map(({ sequence }) => sequence);
  return answer.split(/[\s,]+/).filter(Boolean).map((word) => {
    const message = /^\d+$/.test(word) ? offered[Number(word) - 1] : undefined;
    if (message) return message.sequence;
    throw new UsageError(`Cannot report message ${word}: give numbers from 1 to ${offered.length}, or all`);
  });
}

async function find(app: App, name: string, which: readonly string[]): Promise<number[]> {
  const wanted = new Set(which);
  if (wanted.size > MAX_REPORTED_MESSAGES) {
    throw new UsageError(`Cannot report more than ${MAX_REPORTED_MESSAGES} messages at once`);
  }
  const found: number[] = [];
  let back = 0;
  for await (const { sequence, id } of messagesFrom(app, name)) {
    back += 1;
    // Both words may name the same one.
    if ([id, String(back)].filter((word) => wanted.delete(word)).length > 0) found.push(sequence);
    if (wanted.size === 0) return found;
  }
  throw new ChatError(
    "not_found",
    `Cannot find message ${[...wanted][0]} from ${
      safeText(name)
    }: give an id of history --json, or how many back it is`,
  );
}

async function newestFrom(
  app: App,
  name: string,
  most: number,
  signal: AbortSignal,
): Promise<HistoryEntry[]> {
  const newest: HistoryEntry[] = [];
  for await (const message of messagesFrom(app, name, signal)) {
    if (newest.push(message) === most) break;
  }
  return newest;
}

/** What a user wrote to this account, newest first. */
async function* messagesFrom(
  app: App,
  name: string,
  signal?: AbortSignal,
): AsyncGenerator<HistoryEntry> {
  for await (const page of app.client().history(name, {}, { ...(signal && { signal }) })) {
    for (const message of page.toReversed()) if (message.from === name) yield message;
  }
}
