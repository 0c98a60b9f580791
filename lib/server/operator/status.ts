// `status`: what the running server says of itself, once or again and again.
import type { Command } from "commander";
import { formatBytes } from "../../bytes.ts";
import { count, countMessages } from "../../count.ts";
import { ChatError, messageOf } from "../../errors.ts";
import type { LiveLine } from "../../terminal/live_line.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { sleep } from "../../waiting.ts";
import { dataPaths, isLogHeld } from "../data_folder.ts";
import type { Figures } from "../live/figures.ts";
import { addFolderOption } from "../options.ts";
import { jsonLine } from "../../terminal/safe_text.ts";

const EVERY_MS = 2_000;

interface StatusOptions {
  readonly data: string;
  readonly watch?: boolean;
  readonly json?: boolean;
}

export function addStatusCommand(command: Command, openTerminal: () => Promise<Terminal>): void {
  addFolderOption(command)
    .description("what the running server does: people, messages, disk")
    .option("--watch", "again every 2 seconds, until Ctrl+C")
    .option("--json", "one JSON object, a line each time")
    .action(async (options: StatusOptions) => {
      const { folder } = dataPaths(options.data);
      const { askServer } = await import("../live/control.ts");
      const ask = async () => await askServer(folder, "status") as Figures;
      const terminal = await openTerminal();
      await (options.watch ? watch(ask, terminal, options) : show(await ask(), terminal, options));
    });
}

async function show(figures: Figures, terminal: Terminal, { json }: StatusOptions): Promise<void> {
  for (const line of json ? [jsonLine(figures)] : page(figures)) await terminal.print(line);
  await terminal.flush();
}

/** Goes on while no server runs: it may be restarting. */
async function watch(
  ask: () => Promise<Figures>,
  terminal: Terminal,
  { json }: StatusOptions,
): Promise<void> {
  const picture = terminal.isInteractive && !json ? new Picture(terminal) : null;
  const { promise: stopped, resolve: stop } = Promise.withResolvers<"stopped">();
  // Where lines are printed, as into a pipe, Ctrl+C ends the program as it ends any other.
  using _interrupt = picture && terminal.onInterrupt(() => stop("stopped"));
  do {
    const answer = await ask().catch((error) => {
      if (error instanceof ChatError) return error;
      throw error;
    });
    if (answer instanceof Error) {
      const words = messageOf(answer);
      if (picture) picture.show([...words.split(/(?<=:) /), "Waiting for it; Ctrl+C ends this."]);
      else await terminal.print(json ? jsonLine({ error: words }) : words);
    } else if (picture) picture.show(page(answer));
    else await terminal.print(json ? jsonLine(answer) : oneLine(answer));
    await terminal.flush();
  } while (await Promise.race([stopped, sleep(EVERY_MS, terminal.closed)]) !== "stopped");
  picture?.leave();
}

/** Lines that are drawn over those that were there. */
class Picture {
  readonly #terminal: Terminal;
  readonly #lines: LiveLine[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(lines: readonly string[]): void {
    for (const [index, text] of lines.entries()) {
      if (this.#lines[index]) this.#lines[index].update(text);
      else this.#lines.push(this.#terminal.liveLine(text));
    }
    for (const line of this.#lines.splice(lines.length)) line.remove();
  }

  /** Leaves the last picture on the screen. */
  leave(): void {
    for (const line of this.#lines) line.commit();
  }
}

function page(figures: Figures): string[] {
  const { now, startedAt, survey, community } = figures;
  const rows: [string, string][] = [
    ["People online", `${figures.people}, on ${count(figures.connections, "connection")}`],
    ["Logins", `${figures.logins}, and ${figures.refusedLogins} refused`],
    [
      "Messages",
      `${
        figures.messagesPerSecond.toFixed(1)
      } a second in the last minute, ${figures.messages} since the start`,
    ],
    ["Store", `${count(figures.waitingCalls, "call")} waiting; ${commits(figures)}`],
    ["Oldest unread", oldestUnread(figures)],
    [
      "Stored",
      survey ? `${countMessages(survey)}, ${formatBytes(survey.textBytes)} of text` : "not known now",
    ],
    [
      "Database",
      (survey ? formatBytes(survey.databaseBytes) + ofCommunity(community) : "not known now") +
      ofLog(figures),
    ],
    ["Disk free", figures.diskFreeBytes === null ? "not known here" : formatBytes(figures.diskFreeBytes)],
    [
      "Direct chats",
      `${figures.openChats ?? "an unknown number"} open; relay: ${
        count(figures.relayedSides, "side")
      } now, ` +
      `${formatBytes(figures.relayedBytes)} since the start`,
    ],
    ["Memory", formatBytes(figures.memoryBytes)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `Mini-Chat server ${figures.version}, up ${duration(now - startedAt)}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
  ];
}

function oneLine(figures: Figures): string {
  return [
    new Date(figures.now).toISOString(),
    `${figures.people} online`,
    count(figures.connections, "connection"),
    `${figures.messagesPerSecond.toFixed(1)} messages/s`,
    `${figures.waitingCalls} waiting`,
    commits(figures),
  ].join("  ");
}

function commits({ trouble, lastCommitMs, meanCommitMs }: Figures): string {
  if (trouble !== null) return trouble;
  if (lastCommitMs === null) return "nothing written yet";
  const mean = meanCommitMs === null ? "" : `, ${meanCommitMs.toFixed(1)} ms on average`;
  return `sync to disk ${lastCommitMs.toFixed(1)} ms${mean}`;
}

function oldestUnread({ survey, now }: Figures): string {
  if (!survey) return "not known now";
  const { oldestUnreadAt, unreadMessages } = survey;
  return oldestUnreadAt === null
    ? "nothing is unread"
    : `waits for ${duration(now - oldestUnreadAt)}, of ${unreadMessages}`;
}

function ofLog({ databaseLogBytes: bytes }: Figures): string {
  if (bytes === null || !isLogHeld(bytes)) return "";
  return `, and ${formatBytes(bytes)} in its log: doctor says why`;
}

function ofCommunity(community: Figures["community"]): string {
  if (!community) return "";
  const { servers, isLeader } = community;
  if (servers === 0) return ", and this server cannot reach it";
  return `, shared by ${count(servers, "server")}${isLeader ? "; this one leads" : ""}`;
}

/** The two largest units: `3 d 4 h`, `12 min 5 s`. */
function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
}
