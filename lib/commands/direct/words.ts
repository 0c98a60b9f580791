import { UndeliveredError } from "../../errors.ts";
import type { Tally } from "../../peer/direct_chat.ts";
import type { TransferFailure, TransferNews } from "../../peer/transfer_news.ts";
import type { ChatEnd } from "../../peer/channel.ts";
import { formatBytes } from "../../bytes.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { count } from "../../count.ts";

export function farewell(friend: string, end: ChatEnd, tally: Tally): string {
  const files = tally.filesSent + tally.filesReceived;
  const counts = [
    span(tally.durationMs),
    `${count(tally.linesSent, "line")} sent`,
    ...(tally.linesUndelivered > 0 ? [`${tally.linesUndelivered} not delivered`] : []),
    `${tally.linesReceived} received`,
    ...(files > 0 ? [`${count(tally.filesSent, "file")} sent, ${tally.filesReceived} received`] : []),
  ];
  return `${howItEnded(friend, end)} ${counts.join(", ")}.`;
}

/** For a script, which sees nothing but how the program ends. */
export function assertDelivered(tally: Tally | null): void {
  if (!tally?.linesUndelivered && !tally?.filesUnsent) return;
  const left = [
    ...(tally.linesUndelivered > 0 ? [count(tally.linesUndelivered, "line")] : []),
    ...(tally.filesUnsent > 0 ? [count(tally.filesUnsent, "file")] : []),
  ];
  throw new UndeliveredError(
    `The chat ended before ${left.join(" and ")} had reached your friend: send it again`,
  );
}

/** A length of time for people: `40 ms`, `1.4 s`, `12 s`, `3 min 5 s`, `1 h 2 min`. */
export function span(ms: number): string {
  if (ms < 950) return `${Math.max(1, Math.round(ms))} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function whyFileFailed(
  friend: string,
  { direction, name, reason, isOurs }: TransferFailure,
): string {
  const other = safeText(friend);
  const start = direction === "sending" ? `${name} was not sent` : `${name} was not received`;
  // The one who says so is at the end where it went wrong.
  const where = isOurs ? "here" : `at ${other}'s end`;
  if (reason === "refused" && isOurs) return `${name} was refused`;
  const why: Record<TransferFailure["reason"], string> = {
    refused: `${other} does not want it`,
    cancelled: `${isOurs ? "you have" : `${other} has`} cancelled it`,
    busy: "another file is on its way; try again once it has arrived",
    disk_full: `the disk is full ${where}; make room and send it again`,
    cannot_write: `it cannot be saved ${where}`,
    damaged: "what arrived is not what was sent; send it again",
    stuck: "the network between you carries no large packets",
    ended: "the chat ended first; sent again, it goes on where it stopped",
  };
  return `${start}: ${why[reason]}`;
}

export function fileAndSize({ name, totalBytes }: Pick<TransferNews, "name" | "totalBytes">): string {
  return `${name} (${formatBytes(totalBytes)})`;
}

function howItEnded(friend: string, { kind, message }: ChatEnd): string {
  const name = safeText(friend);
  const why = safeText(message);
  const sentences: Record<ChatEnd["kind"], string> = {
    said_bye: "You said goodbye.",
    heard_bye: `${name} said goodbye.`,
    lost: `The chat with ${name} is over: ${why}.`,
    protocol: `The chat with ${name} ended because the other program broke the protocol: ${why}.`,
    failed: `The chat with ${name} ended because this side failed: ${why}.`,
    closed: `The chat is over: ${why}.`,
  };
  return sentences[kind];
}
