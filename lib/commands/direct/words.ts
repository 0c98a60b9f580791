import { UndeliveredError } from "../../errors.ts";
import type { Tally } from "../../peer/direct_chat.ts";
import type { TransferFailure, TransferNews } from "../../peer/file_transfers.ts";
import type { ChatEnd } from "../../peer/channel.ts";
import { formatBytes } from "../../bytes.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { count } from "../format.ts";

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
  if (!tally?.linesUndelivered) return;
  throw new UndeliveredError(
    `The chat ended before ${count(tally.linesUndelivered, "line")} had reached your friend: send it again`,
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
  switch (reason) {
    case "refused":
      return isOurs ? `${name} was refused` : `${start}: ${other} does not want it`;
    case "cancelled":
      return `${start}: ${isOurs ? "you have" : `${other} has`} cancelled it`;
    case "busy":
      return `${start}: another file is on its way; try again once it has arrived`;
    case "disk_full":
      return `${start}: the disk is full ${where}; make room and send it again`;
    case "cannot_write":
      return `${start}: it cannot be saved ${where}`;
    case "damaged":
      return `${start}: what arrived is not what was sent; send it again`;
    case "stuck":
      return `${start}: the network between you carries no large packets`;
  }
}

export function fileAndSize({ name, totalBytes }: Pick<TransferNews, "name" | "totalBytes">): string {
  return `${name} (${formatBytes(totalBytes)})`;
}

function howItEnded(friend: string, end: ChatEnd): string {
  const name = safeText(friend);
  switch (end.kind) {
    case "said_bye":
      return "You said goodbye.";
    case "heard_bye":
      return `${name} said goodbye.`;
    case "lost":
      return `The chat with ${name} is over: ${safeText(end.message)}.`;
    case "protocol":
      return `The chat with ${name} ended because the other program broke the protocol: ${
        safeText(end.message)
      }.`;
    case "failed":
      return `The chat with ${name} ended because this side failed: ${safeText(end.message)}.`;
    case "closed":
      return `The chat is over: ${safeText(end.message)}.`;
  }
}
