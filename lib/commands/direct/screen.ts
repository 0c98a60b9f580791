import { join } from "node:path";
import { scopeOf } from "../../addresses.ts";
import { messageOf, UsageError } from "../../errors.ts";
import type { DirectChat, Tally } from "../../peer/direct_chat.ts";
import type { JoinListener } from "../../peer/joiner.ts";
import type { FileOffer, TransferFailure, TransferNews, TransferProgress } from "../../peer/transfer_news.ts";
import { COME_BACK_WITHIN_MS } from "../../peer/channel.ts";
import { MAX_TEXT_BYTES } from "../../protocol/limits.ts";
import { isBlank, utf8Bytes } from "../../protocol/fields.ts";
import type { Route } from "../../protocol/peer_messages.ts";
import { TypedLines } from "../../terminal/typed_lines.ts";
import { type Completion, Interrupt } from "../../terminal/read_line.ts";
import type { ProgressBar } from "../../terminal/live_line.ts";
import { sentenceOf } from "../../terminal/menu.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { bold, cyan, dim, green, red, yellow } from "../../terminal/style.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { Flood } from "../flood.ts";
import { count } from "../../count.ts";
import type { Notice } from "../notify/notifier.ts";
import { farewell, fileAndSize, span, whyFileFailed } from "./words.ts";

/** Lines under way that stand at the bottom of the screen; more wait with the next line typed. */
const MAX_WAITING_LINES = 5;

/** How long a file is read before a word about it. */
const QUIET_READING_MS = 1_000;

const COMMANDS = [
  ["/send FILE", "send a file; your friend is asked first"],
  ["/accept", "take the file that is offered; with its number, where one took the place of another"],
  ["/refuse", "do not take it"],
  ["/cancel", "stop the file that is on its way"],
  ["/who", "who is at the other end, and the code to compare"],
  ["/route", "the route your lines take"],
  ["/help", "this list"],
  ["bye", "end the chat for both of you (or Ctrl+C)"],
] as const;

export interface ChatScreenOptions {
  readonly name: string;
  readonly friend: string;
  readonly notify: (notice: Notice) => void;
  readonly folders: { readonly downloadFolder: string; readonly homeFolder: string };
}

/** One chat on one terminal: lines of the other appear above the line being typed. Listens from before the first link; {@linkcode run} takes over with it. */
export class ChatScreen implements JoinListener {
  readonly #terminal: Terminal;
  readonly #options: ChatScreenOptions;
  readonly #bars = new Map<TransferNews["direction"], ProgressBar>();
  readonly #waiting = new Set<Promise<void>>();
  readonly #ways: Flood; // a network, or a friend's program, that changes the way all the time
  #route: Route | undefined; // of the last link
  #isLost = false;
  #routeSince = 0; // on the clock of performance.now()

  constructor(terminal: Terminal, options: ChatScreenOptions) {
    this.#terminal = terminal;
    this.#options = options;
    this.#ways = new Flood(terminal, {
      words: (more) =>
        dim(
          `  … the connection changed ${count(more, "more time")}, and is ${
            this.#isLost ? "lost" : this.#route
          } now.`,
        ),
    });
  }

  async run(chat: DirectChat, linkedAfterMs?: number): Promise<Tally> {
    const { friend } = this.#options;
    await this.#begin(chat, linkedAfterMs);
    const over = new AbortController();
    const ended = chat.ended.then((end) => {
      over.abort();
      return end;
    });
    await this.#talk(chat, over.signal);
    const end = await ended;
    await Promise.all(this.#waiting);
    this.#ways[Symbol.dispose]();
    for (const bar of this.#bars.values()) bar.remove();
    this.#terminal.status("");
    const say = end.kind === "said_bye" || end.kind === "heard_bye" ? bold : yellow;
    const { tally } = chat;
    await this.#terminal.print(say(farewell(friend, end, tally)));
    return tally;
  }

  onTrying(what: string): void {
    this.#terminal.status(`Connecting to ${this.#friend}: ${what}… (Ctrl+C stops)`);
  }

  /** See `DirectChatListener`. A line counts as shown once the output has taken it, however long it is stopped. */
  async onLine(text: string): Promise<void> {
    await this.#terminal.print(this.#spoken(bold(cyan(this.#friend)), text), false);
    this.#options.notify({ kind: "line", from: this.#options.friend, text });
    await this.#terminal.flush();
  }

  onLinked({ route, isFirst, wasLost }: { route: Route; isFirst: boolean; wasLost: boolean }): void {
    const isSame = route === this.#route;
    this.#route = route;
    this.#isLost = false;
    this.#routeSince = performance.now();
    if (isFirst) return;
    this.#terminal.status("");
    if (wasLost) this.#tellWay(green(`Connected to ${this.#friend} again: ${route}.`));
    else if (!isSame) this.#tellWay(green(`Switched to a better route: ${route}.`));
  }

  onLost(why: string): void {
    this.#isLost = true;
    const next = `Looking for a way back for ${span(COME_BACK_WITHIN_MS)}; what you write is kept.`;
    this.#tellWay(yellow(`Connection to ${this.#friend} lost: ${safeText(why)}. ${next}`));
  }

  onFileOffered(offer: FileOffer): void {
    const { downloadFolder } = this.#options.folders;
    const accept = offer.number === undefined ? "/accept" : `/accept ${offer.number}`;
    this.#terminal.printAbove(
      `${yellow("?")} ${bold(this.#friend)} wants to send you ${cyan(fileAndSize(offer))}. ` +
        `${cyan(accept)} saves it in ${downloadFolder}, ${cyan("/refuse")} does not.`,
    );
  }

  onFileProgress({ direction, name, totalBytes, doneBytes, resumedBytes }: TransferProgress): void {
    let bar = this.#bars.get(direction);
    if (!bar) {
      const label = direction === "sending" ? `Sending ${name}` : `Receiving ${name}`;
      bar = this.#terminal.progress({ label, total: totalBytes, start: resumedBytes });
      this.#bars.set(direction, bar);
      if (resumedBytes > 0) this.#terminal.printAbove(dim(`  ${name} goes on where it stopped.`));
    }
    bar.update(doneBytes);
  }

  onFileDone(news: TransferNews & { path?: string }): void {
    this.#removeBar(news);
    const words = news.path === undefined
      ? `✓ ${this.#friend} has ${fileAndSize(news)}; its SHA-256 is right.`
      : `✓ ${fileAndSize(news)} is here; its SHA-256 is right: ${safeText(news.path)}`;
    this.#terminal.printAbove(green(words));
  }

  onFileFailed(failure: TransferFailure): void {
    this.#removeBar(failure);
    const { reason, detail } = failure;
    const why = detail === undefined || reason === "disk_full" ? "" : ` (${safeText(detail)})`;
    this.#terminal.printAbove(yellow(`✗ ${whyFileFailed(this.#options.friend, failure)}${why}.`));
  }

  async #begin(chat: DirectChat, linkedAfterMs: number | undefined): Promise<void> {
    const took = linkedAfterMs === undefined ? "" : ` after ${span(linkedAfterMs)}`;
    this.#terminal.status("");
    await this.#terminal.print(
      `Chatting with ${bold(cyan(this.#friend))}: ${green(chat.channel.route ?? "linked")}${took}.`,
    );
    await this.#printCode(chat);
    await this.#terminal.print(
      dim("Type a line and press Enter. /help lists the commands; bye ends the chat."),
    );
  }

  async #printCode({ terms }: DirectChat): Promise<void> {
    await this.#terminal.print(
      `Code: ${bold(terms?.code ?? "")}  ${dim("If your friend sees the same one, nobody is in between.")}`,
    );
  }

  async #talk(chat: DirectChat, over: AbortSignal): Promise<void> {
    const typedLines = new TypedLines();
    while (!over.aborted) {
      let line: string | null;
      try {
        line = await this.#terminal.readLine({
          prompt: `${this.#options.name}> `,
          typedLines,
          complete: completeCommand,
          after: "erase",
          signal: over,
        });
      } catch (error) {
        if (over.aborted || chat.channel.isEnded) return;
        if (!(error instanceof Interrupt) && !isClosing(error)) throw error;
        return await chat.bye();
      }
      if (line === null) return await chat.bye();
      if (isBlank(line)) continue;
      typedLines.add(line);
      if (/^bye[.!]?$/i.test(line.trim())) return await chat.bye();
      if (line.startsWith("/") && !line.startsWith("//")) await this.#command(chat, line.trim());
      else await this.#say(chat, line.replace(/^\/\//, "/"));
    }
  }

  /** Sends a line, which shows a tick once the other side has it. */
  async #say(chat: DirectChat, text: string): Promise<void> {
    if (utf8Bytes(text) > MAX_TEXT_BYTES) {
      return await this.#terminal.print(
        red(`✗ Not sent: a line has at most ${MAX_TEXT_BYTES} bytes, and this one ${utf8Bytes(text)}.`),
      );
    }
    const mine = this.#spoken(cyan(this.#options.name), text);
    const [first = "", ...rest] = mine.split("\n"); // all of a long text would not fit at the bottom
    const waiting = this.#terminal.liveLine(`${first}${rest.length > 0 ? " …" : ""} ${dim("…")}`);
    const delivered = this.#terminal.isInteractive
      ? `${mine} ${green("✓")}`
      : dim(`✓ ${this.#friend} has it.`);
    const said = chat.say(text.toWellFormed()).then(
      () => waiting.commit(delivered),
      // Named in words: where lines come from a pipe, nothing else on the screen says which one it was.
      () => waiting.commit(`${red("✗ Not delivered:")} ${mine}`),
    );
    this.#waiting.add(said);
    said.then(() => this.#waiting.delete(said));
    if (this.#waiting.size > MAX_WAITING_LINES) await Promise.race(this.#waiting);
  }

  async #command(chat: DirectChat, line: string): Promise<void> {
    const [, word = "", rest = ""] = /^\/(\S*)\s*(.*)$/s.exec(line) ?? [];
    try {
      switch (word.toLowerCase()) {
        case "send":
          return this.#send(chat, rest);
        case "accept":
          // Not awaited either: what an earlier try has left is read first.
          chat.files.accept(numberIn(rest)).catch((error) => this.#terminal.printAbove(refusal(error)));
          return;
        case "refuse":
          return chat.files.refuse();
        case "cancel":
          return chat.files.cancel();
        case "who":
          return await this.#printWho(chat);
        case "route":
          return await this.#printRoute(chat);
        case "help":
          return await this.#printHelp();
        default: {
          const hint = "/help lists the commands. To say it, begin with two slashes.";
          await this.#terminal.print(`Unknown command /${safeText(word)}; ${hint}`);
        }
      }
    } catch (error) {
      await this.#terminal.print(refusal(error));
    }
  }

  /** Not awaited, as the person goes on writing while a large file is read. */
  #send(chat: DirectChat, given: string): void {
    const path = unquote(given).replace(/^~(?=$|[/\\])/, this.#options.folders.homeFolder);
    if (path === "") return this.#terminal.printAbove("Usage: /send FILE");
    const name = safeText(given);
    const reading = setTimeout(() => {
      this.#terminal.printAbove(dim(`  Reading ${name} for its SHA-256; /cancel stops it.`));
    }, QUIET_READING_MS);
    chat.files.offer(path).then(
      (isAsked) =>
        isAsked && this.#terminal.printAbove(dim(`  Asked ${this.#friend} whether to send ${name}.`)),
      (error) => this.#terminal.printAbove(refusal(error)),
    ).finally(() => clearTimeout(reading));
  }

  async #printWho(chat: DirectChat): Promise<void> {
    const client = safeText(chat.terms?.theirClient ?? "");
    await this.#terminal.print(
      `${bold(cyan(this.#friend))}, with ${client}, for ${span(chat.tally.durationMs)}.`,
    );
    await this.#printCode(chat);
  }

  async #printRoute({ channel }: DirectChat): Promise<void> {
    if (!channel.isLinked) {
      return await this.#terminal.print("There is no route right now: the connection is lost.");
    }
    const { remoteAddress = "" } = channel; // of this machine where punched or relayed bytes are copied
    const where = scopeOf(remoteAddress) === "loopback" ? "" : `, ${remoteAddress}`;
    const through = channel.route === "relayed"
      ? " The server copies bytes that it cannot read; a direct route is looked for now and then."
      : " Nothing goes through the server.";
    await this.#terminal.print(
      `${channel.route}${where}, for ${span(performance.now() - this.#routeSince)}.${through}`,
    );
  }

  async #printHelp(): Promise<void> {
    const width = Math.max(...COMMANDS.map(([usage]) => usage.length));
    for (const [usage, what] of COMMANDS) {
      await this.#terminal.print(`  ${cyan(usage.padEnd(width))}  ${what}`);
    }
  }

  #tellWay(line: string): void {
    this.#ways.tell(this.#options.friend, line);
  }

  #removeBar({ direction }: TransferNews): void {
    this.#bars.get(direction)?.remove();
    this.#bars.delete(direction);
  }

  #spoken(name: string, text: string): string {
    return `${name}: ${safeText(text, { multiline: true }).replaceAll("\n", "\n  ")}`;
  }

  get #friend(): string {
    return safeText(this.#options.friend);
  }
}

export function defaultDownloadFolder(homeFolder: string, xdgFolder: string | undefined): string {
  return xdgFolder || join(homeFolder, "Downloads");
}

function completeCommand(before: string): Completion {
  if (!before.startsWith("/") || /\s/.test(before)) return { from: 0, candidates: [] };
  const names = COMMANDS.map(([usage]) => usage.split(" ")[0]!).filter((name) => name.startsWith("/"));
  return { from: 0, candidates: names.filter((name) => name.startsWith(before)).map((name) => `${name} `) };
}

function refusal(error: unknown): string {
  return red("✗ ") + sentenceOf(new Error(safeText(messageOf(error))));
}

function numberIn(text: string): number | undefined {
  if (text === "") return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(
    `Cannot accept ${text}: write /accept, or /accept with the number that the offer names`,
  );
}

function unquote(path: string): string {
  const trimmed = path.trim();
  const [, inner] = /^"(.*)"$/s.exec(trimmed) ?? /^'(.*)'$/s.exec(trimmed) ?? [];
  return inner ?? trimmed;
}

function isClosing(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
