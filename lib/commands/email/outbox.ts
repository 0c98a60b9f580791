// The mail outbox at the menu and in scripts: list, try again, drop, settle what is in doubt; and its background work.
import { messageOf, UsageError } from "../../errors.ts";
import { sleep } from "../../waiting.ts";
import type { Outbox, OutboxItem } from "../../mail/outbox.ts";
import type { OutboxEntry, SendOutcome } from "../../mail/outbox_entry.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";
import { dim, yellow } from "../../terminal/style.ts";
import type { EmailParts } from "./parts.ts";
import { retryAndTell } from "./send.ts";
import { exitCodeOf, outboxLines, outcomeLines, subjectOf } from "./words.ts";
import { count } from "../../count.ts";

export interface OutboxCommandOptions {
  readonly json: boolean;
  readonly signal: AbortSignal;
}

export async function runOutboxCommand(
  parts: EmailParts,
  words: readonly string[],
  options: OutboxCommandOptions,
): Promise<number> {
  const [verb, number, ...rest] = words;
  const items = await parts.outbox.list();
  if (rest.length > 0) throw new UsageError(`Cannot do that with the outbox: ${words.join(" ")}`);
  switch (verb) {
    case undefined:
      await listItems(parts, items, options);
      return 0;
    case "retry":
      return await retry(parts, number === undefined ? items.filter(isFree) : [pick(items, number)], options);
    case "drop":
      return await drop(parts, pick(items, number ?? ""));
    default:
      throw new UsageError(`Cannot do that with the outbox: ${verb}; give retry [N] or drop N`);
  }
}

async function listItems(
  parts: EmailParts,
  items: readonly OutboxItem[],
  { json, signal }: OutboxCommandOptions,
): Promise<void> {
  const { terminal } = parts;
  if (json) {
    for (const [at, item] of items.entries()) {
      const { accountId: _, ...shown } = item;
      await terminal.print(jsonLine({ position: at + 1, ...shown }));
    }
    return;
  }
  if (items.length === 0) return await terminal.print("The mail outbox is empty.");
  for (const [at, item] of items.entries()) await terminal.print(outboxLines(item, at + 1, parts));
  for (const [at, item] of items.entries()) {
    if (terminal.isInteractive && item.state === "in_doubt" && !item.isBeingSent) {
      await settle(parts, item, at + 1, signal);
    }
  }
  await terminal.print(dim('"email outbox retry N" tries one now, "email outbox drop N" removes it.'));
}

async function settle(parts: EmailParts, item: OutboxItem, position: number, signal: AbortSignal) {
  const to = safeText(item.to.join(", "));
  const choice = await parts.terminal.choose(
    `Did mail ${position}, "${subjectOf(item)}", arrive? Look in the Sent folder, or ask ${to}.`,
    [
      { value: "arrived", label: "It arrived", description: "it is removed from the outbox" },
      { value: "again", label: "It did not", description: "it is sent again now" },
      { value: "later", label: "Not known yet", description: "it stays as it is" },
    ] as const,
    { byDefault: 2 },
  );
  if (choice === "arrived") await drop(parts, item);
  if (choice === "again") await retryAndTell(parts, item, signal);
}

function isFree(item: OutboxItem): boolean {
  return item.state !== "in_doubt" && !item.isBeingSent;
}

async function retry(
  parts: EmailParts,
  items: readonly OutboxItem[],
  { signal }: OutboxCommandOptions,
): Promise<number> {
  let code = 0;
  if (items.length === 0) await parts.terminal.print("There is nothing to try again.");
  for (const item of items) {
    if (item.state === "in_doubt" && parts.terminal.isInteractive) {
      const question = "It may have arrived already. Send it again all the same?";
      if (!await parts.terminal.confirm(question, false)) continue;
    }
    const outcome = await retryAndTell(parts, item, signal);
    code = Math.max(code, exitCodeOf(outcome));
  }
  return code;
}

async function drop(parts: EmailParts, item: OutboxItem): Promise<number> {
  const isDone = await parts.outbox.drop(item.id);
  await parts.terminal.print(isDone ? "Dropped." : "Cannot drop it now: it is being sent.");
  return isDone ? 0 : 1;
}

function pick(items: readonly OutboxItem[], number: string): OutboxItem {
  const item = items.find((candidate, at) => String(at + 1) === number || candidate.id === number);
  if (item !== undefined) return item;
  throw new UsageError(
    number === ""
      ? 'Cannot drop a mail without its number: "email outbox" lists them'
      : `There is no mail ${safeText(number)} in the outbox: "email outbox" lists them`,
  );
}

/** Longest time without a look, milliseconds: another process may have added a mail, or the machine slept. */
const LONGEST_PAUSE_MS = 60_000;

interface RunOptions {
  readonly signal: AbortSignal;
  readonly onOutcome: (entry: OutboxEntry, outcome: SendOutcome) => void;
  readonly onFault: (error: unknown) => void; // called when the disk fails; the work goes on
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>; // the house's by default; rejects early
  readonly now: () => number;
}

/** Sends what is due until the signal fires: at once, then each time that a pause is over. */
export async function runOutbox(outbox: Outbox, options: RunOptions): Promise<void> {
  const { signal, onOutcome, onFault, now, wait = sleep } = options;
  while (!signal.aborted) {
    let pauseMs = LONGEST_PAUSE_MS;
    try {
      const next = await outbox.sendDue({ signal, onOutcome });
      if (next !== null) pauseMs = Math.min(Math.max(next - now(), 0), LONGEST_PAUSE_MS);
    } catch (error) {
      onFault(error);
    }
    await wait(pauseMs, signal).catch(() => {}); // the signal, which the loop sees
  }
}

/** Sends what is due while the client runs, and tells the outcomes above the line being typed. Ends with the signal. */
export async function runMailOutbox(parts: EmailParts, signal: AbortSignal): Promise<void> {
  const { terminal, backgroundOutbox } = parts;
  await backgroundOutbox.sweep().catch(() => {}); // leftovers that cannot be removed harm nobody
  const items = await backgroundOutbox.list().catch(() => []);
  const inDoubt = items.filter((item) => item.state === "in_doubt" && !item.isBeingSent).length;
  if (inDoubt > 0) {
    const mails = `${count(inDoubt, "mail")} in doubt, because Mini-Chat ended while sending`;
    terminal.printAbove(yellow(`${mails}: "email outbox" asks what became of it.`));
  }
  const lastProblems = new Map<string, string>(); // entry → what was told of it last
  await runOutbox(backgroundOutbox, {
    signal,
    now: parts.now,
    onOutcome: (entry, outcome) => {
      if (outcome.kind === "skipped" || signal.aborted) return;
      if (outcome.kind === "queued") {
        const { message } = outcome.error;
        // Told once, not at each of many attempts.
        if ([lastProblems.get(entry.id), entry.problem?.message].includes(message)) return;
        lastProblems.set(entry.id, message);
      } else lastProblems.delete(entry.id);
      terminal.printAbove(`Mail "${subjectOf(entry)}": ${outcomeLines(outcome, parts)}`);
    },
    onFault: (error) =>
      terminal.printAbove(yellow(`The mail outbox cannot be read just now: ${safeText(messageOf(error))}.`)),
  });
}

/** Sends what is due until it is disposed of, which waits for the mail under way to be put back. */
export function startMailOutbox(parts: EmailParts): AsyncDisposable {
  const stop = new AbortController();
  const ended = runMailOutbox(parts, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}
