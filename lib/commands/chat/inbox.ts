// Option 3: get my messages. They are forgotten here, and known as read on the server, only once the output has taken them.
import { OPTIONS } from "../options.ts";
import { ChatError, ConnectionError, OutputError } from "../../errors.ts";
import type { ReceivedMessage } from "../../protocol/events.ts";
import type { MenuCommand } from "../../terminal/menu.ts";
import { jsonLine } from "../../terminal/safe_text.ts";
import { dim } from "../../terminal/style.ts";
import { unlessAborted } from "../../waiting.ts";
import type { App } from "../app.ts";
import { count } from "../../count.ts";
import { messageLines } from "../format.ts";
import { mustBeAbleToNotify } from "../notify/once.ts";
import { tellBeside } from "../outage.ts";
import { LeftOut } from "./blocked.ts";

/** Messages that the menu shows before it asks whether to go on. */
const SHOWN_AT_ONCE = 100;

/** How long the server may send nothing while messages are awaited, in milliseconds. */
const SILENT_MS = 30_000;

export function inboxOption(app: App): MenuCommand {
  return {
    ...OPTIONS.inbox,
    aliases: ["get", "read", "messages"],
    details: "Messages that arrived since you last looked, oldest first. Earlier messages: history USER.",
    run: async (_args, { terminal, signal }) => {
      const client = app.client();
      client.lookElsewhere();
      const last = client.unread.at(-1)?.sequence;
      if (last === undefined) return await terminal.print("No new messages.");
      const leftOut = await LeftOut.of(client, signal);
      let shown = 0;
      for (;;) {
        const waiting = client.unread.slice(0, SHOWN_AT_ONCE);
        const messages = waiting.filter((message: ReceivedMessage) => message.sequence <= last);
        if (messages.length === 0) break;
        const before = shown;
        for (const { from, text, storedAt } of messages) {
          app.learnName(from);
          if (leftOut.has(from)) continue;
          await terminal.print(messageLines(from, storedAt, text, Date.now()), false);
          shown += 1;
        }
        await terminal.flush();
        const upTo: number = messages.at(-1)!.sequence;
        await unlessAborted(signal, client.shown(upTo)); // it is noted here, and told to the server later
        if (upTo === last || shown === before) continue;
        if (!await terminal.wantsMore("Show more?", true)) break;
      }
      for (const line of leftOut.lines()) await terminal.print(dim(line));
      const more = client.unread.length > 0 || client.hasMore ? "; 3 shows the rest" : "";
      await terminal.print(shown === 0 ? "No other new messages." : `${count(shown, "message")}${more}`);
    },
  };
}

/**
 * The subcommand: prints the unread messages and, unless `keep`, marks them as read.
 * @throws {ConnectionError} when the connection breaks before all has arrived.
 * @throws {OutputError} when the output took not all of it: what it did not take stays unread.
 */
export async function printInbox(
  app: App,
  options: { readonly json: boolean; readonly keep: boolean },
  silentMs: number = SILENT_MS,
): Promise<void> {
  if (!options.keep) mustBeSeen(app);
  const client = app.client();
  const isWhole = await catchUp(app, silentMs);
  const last = isWhole ? await client.caughtUp : Infinity;
  const leftOut = options.json || client.unread.length === 0 ? LeftOut.nothing() : await LeftOut.of(client);
  for (;;) {
    const messages = client.unread.slice(0, NOTED_AT_ONCE).filter(({ sequence }) => sequence <= last);
    if (messages.length === 0) break;
    await printMessages(app, messages, options, leftOut);
    // Of a very large mailbox, the rest comes as room is made.
    if (isWhole) await catchUp(app, silentMs);
  }
  for (const line of leftOut.lines()) await app.terminal.print(line);
  if (isWhole) return;
  throw new ConnectionError(
    `Cannot tell whether these are all messages: the server has more, as it says, but sent none for ${
      silentMs / 1000
    } s; try again`,
  );
}

/**
 * Waits until all unread messages have arrived, or as many as are held at once; false when the server falls silent before.
 * @throws {ConnectionError} The connection was lost.
 * @throws {ChatError} The server does not deliver.
 */
async function catchUp(app: App, silentMs: number): Promise<boolean> {
  const hasAll = await app.waitFor("Fetching your messages", async (signal) => {
    const isCaughtUp = await app.account!.caughtUp(silentMs, signal);
    signal.throwIfAborted();
    return isCaughtUp;
  });
  if (hasAll) return true;
  const { undelivered } = app.client();
  if (undelivered !== null) {
    throw new ChatError(
      undelivered.code,
      `Cannot fetch the messages: ${undelivered.message}. They stay unread; try again`,
      { cause: undelivered },
    );
  }
  if (app.isOnline) return false;
  throw new ConnectionError(
    "Cannot fetch the messages: the connection was lost. They stay unread; try again",
  );
}

/** Most messages that are printed before they are marked as read, with one write to the disk. */
const NOTED_AT_ONCE = 50;

/**
 * The subcommand `tail`: prints the unread messages, then each that arrives, until it is stopped, and marks them as read.
 * With `notify` it calls the person too.
 * @throws {OutputError} when the output took not all of it: what it did not take stays unread.
 */
export async function followInbox(
  app: App,
  options: { readonly json: boolean; readonly notify: boolean },
  signal: AbortSignal,
): Promise<void> {
  mustBeSeen(app);
  if (options.notify) mustBeAbleToNotify(app);
  const client = app.client();
  app.account?.tellOutagesTo(tellBeside((line) => app.warn(line)));
  const leftOut = options.json ? LeftOut.nothing() : await LeftOut.of(client);
  while (!signal.aborted) {
    const messages = client.unread.slice(0, NOTED_AT_ONCE);
    const printed = await printMessages(app, messages, { ...options, keep: false }, leftOut);
    if (options.notify) {
      for (const { from, text } of printed) app.notifier.notifyAnyway({ kind: "message", from, text });
    }
    // What came meanwhile has woken nobody.
    if (client.unread.length > 0) continue;
    for (const line of leftOut.lines()) await app.terminal.print(line);
    await app.terminal.flush();
    if (client.unread.length === 0) await app.account?.nextEvent(signal);
  }
  // The server has ended it for good; whoever left it has no error.
  if (signal.reason instanceof ChatError) throw signal.reason;
}

function mustBeSeen(app: App): void {
  if (!app.terminal.isUnseen) return;
  throw new OutputError(
    "Cannot show messages as standard output is closed, or /dev/null: they stay unread; inbox --keep prints them anyway",
  );
}

/** Prints messages and, unless `keep`, marks them as read once the output has taken them. Returns those that were printed. */
async function printMessages(
  app: App,
  messages: readonly ReceivedMessage[],
  options: { readonly json: boolean; readonly keep: boolean },
  leftOut: LeftOut,
): Promise<readonly ReceivedMessage[]> {
  const printed = messages.filter(({ from }) => !leftOut.has(from));
  for (const message of printed) {
    const { from, text, storedAt } = message;
    app.learnName(from);
    await app.terminal.print(
      options.json ? jsonLine(message) : messageLines(from, storedAt, text, Date.now()),
    );
  }
  await app.terminal.flush();
  const last = messages.at(-1);
  if (last === undefined) return printed;
  if (options.keep) app.client().passOver(last.sequence);
  else await app.client().shown(last.sequence);
  return printed;
}
