// News: what happens while somebody sits at the menu, one line each, above the line being typed.
import type { ChatListener } from "../../client/chat_client.ts";
import type { Announcement } from "../../client/server_link.ts";
import type { OutboxMessage } from "../../client/outbox_sender.ts";
import { type ChatError, messageOf } from "../../errors.ts";
import { bold, cyan, dim, green, red, yellow } from "../../terminal/style.ts";
import { oneLine, safeText } from "../../terminal/safe_text.ts";
import { columnsOf } from "../../terminal/width.ts";
import type { LiveLine } from "../../terminal/live_line.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { count } from "../../count.ts";
import { DELETED } from "../format.ts";
import type { Notice } from "../notify/notifier.ts";
import { Flood } from "../flood.ts";
import { ANNOUNCED, connectedAgain, type OutageTeller } from "../outage.ts";

/** Of messages that waited while there was no connection, so many are shown. */
const PREVIEWED = 10;

const PREVIEW_LEAST = 12; // shortest preview worth showing, in columns

interface NewsParts {
  readonly terminal: Terminal;
  /** Whether the options can be chosen now. */
  readonly isAtMenu: () => boolean;
  readonly learnName: (name: string) => void;
  readonly notify: (notice: Notice) => void;
}

export class News implements ChatListener, OutageTeller {
  readonly #parts: NewsParts;
  readonly #terminal: Terminal;
  readonly #queued = new Set<string>();
  /** Messages of which an option is about to tell the person itself. */
  readonly #awaited = new Set<string>();
  /** Sequence of the newest message sent to each name in this run, until its delivery was told. */
  readonly #sent = new Map<string, number>();
  readonly #flood: Flood;
  #announced: LiveLine | null = null; // there while the server may be back at once
  #waited = 0; // messages that had waited, of those that arrive now

  constructor(parts: NewsParts) {
    this.#parts = parts;
    this.#terminal = parts.terminal;
    this.#flood = new Flood(parts.terminal, { words: (more, from) => this.#moreMessages(more, from) });
  }

  awaits(id: string): void {
    this.#awaited.add(id);
  }

  /** Notes that the option waits no longer; a message that is queued then is told of here. */
  awaitsNoMore(id: string, isQueued: boolean): void {
    this.#awaited.delete(id);
    if (isQueued) this.#queued.add(id);
  }

  /**
   * A preview of a message: the whole of a short one. Option 3 shows it in full. Of those that had waited, which may be thousands, and
   * of a flood the first alone.
   */
  onMessage({ from, text }: { readonly from: string; readonly text: string }, hasWaited: boolean): void {
    this.#parts.learnName(from);
    if (hasWaited && ++this.#waited > PREVIEWED) return;
    const name = safeText(from);
    const hint = this.#hint("it");
    // A row holds all of it, and the screen's last column stays free.
    const room = this.#terminal.size.columns - 1 - columnsOf(`* ${name}:  ${hint}`);
    const preview = oneLine(text || DELETED, Math.max(PREVIEW_LEAST, room));
    const line = `${yellow("*")} ${bold(cyan(name))}: ${preview} ${dim(hint)}`;
    if (hasWaited) this.#tell(line);
    else this.#flood.tell(from, line);
    this.#terminal.refresh();
    this.#parts.notify({ kind: "message", from, text });
  }

  /** Tells how many more had waited than were shown. */
  onCaughtUp(): void {
    const more = this.#waited - PREVIEWED;
    this.#waited = 0;
    if (more > 0) this.#tell(this.#moreMessages(more));
  }

  /** What was counted, and what the prompt says, may hold no longer: messages were read, here or by another program. */
  onShown(): void {
    this.#flood.forget();
    this.#terminal.refresh();
  }

  /** Tells that the newest message to somebody has arrived, or was read. */
  onReceipt(
    { by, delivered, read }: { readonly by: string; readonly delivered?: number; readonly read?: number },
  ): void {
    const newest = this.#sent.get(by);
    if (newest === undefined) return;
    if (read !== undefined && read >= newest) {
      this.#sent.delete(by);
      this.#tell(dim(`  ${safeText(by)} has read your message.`));
    } else if (delivered !== undefined && delivered >= newest) {
      this.#tell(dim(`  ${safeText(by)} has received your message.`));
    }
  }

  onAccepted(message: OutboxMessage, { sequence }: { readonly sequence: number }): void {
    this.#sent.set(message.to, sequence);
    if (!this.#queued.delete(message.id)) return;
    this.#tell(green(`Sent: your queued message to ${safeText(message.to)} is now in their mailbox.`));
  }

  /**
   * Tells that a message which had to wait will not be taken, with its beginning, so that nothing is lost in silence: one of this
   * run, or of a program that has ended.
   * @returns False when an option tells it.
   */
  onRefused(message: OutboxMessage, error: ChatError): boolean {
    if (this.#awaited.has(message.id)) return false;
    this.#queued.delete(message.id);
    this.refused(message.to, message.text, error.message);
    return true;
  }

  /** Tells that messages have to wait, unless an option does. */
  onHeldUp(message: OutboxMessage, error: ChatError): void {
    if (this.#awaited.has(message.id)) return;
    const words = `Your messages wait: ${safeText(error.message)}.`;
    this.#tell(yellow(`${words} They are saved here and sent, each once, as soon as the server takes them.`));
  }

  refused(to: string, text: string, reason: string): void {
    this.#tell(
      red(`Not sent to ${safeText(to)}: ${safeText(reason)}. It began: ${oneLine(text, 40)}`),
    );
  }

  /** The prompt says at once whether there is a connection. */
  connectionChanged(): void {
    this.#terminal.refresh();
  }

  disconnected(reason: string): void {
    const meanwhile = "Reconnecting; anything you write now is saved and sent once connected.";
    this.#tellOfBreak(yellow(`${safeText(reason)}. ${meanwhile}`));
  }

  announced(why: Announcement): void {
    this.#announced ??= this.#terminal.liveLine(yellow(ANNOUNCED[why].first));
    this.#terminal.refresh();
  }

  reconnected(why: Announcement | null): void {
    this.#tellOfBreak(green(connectedAgain(why)));
  }

  stopped(): void {
    this.#flood[Symbol.dispose]();
    this.#announced?.remove();
    this.#announced = null;
  }

  /** In place of the line that says why the server lets nobody stay, where that is there. */
  #tellOfBreak(line: string): void {
    if (this.#announced === null) return this.#tell(line);
    this.#announced.commit(line);
    this.#announced = null;
    this.#terminal.refresh();
  }

  undelivered(reason: string): void {
    this.#tell(yellow(`Your messages do not arrive: ${safeText(reason)}. Trying again.`));
  }

  delivered(): void {
    this.#tell(green("Your messages arrive again."));
  }

  ended(error: unknown): void {
    this.#tell(red(`${safeText(messageOf(error))}. 0 connects again.`));
  }

  onFault(error: unknown): void {
    this.#tell(red(`Something went wrong: ${safeText(messageOf(error))}`));
  }

  #moreMessages(more: number, from?: string): string {
    const whose = from === undefined ? "" : ` from ${bold(cyan(from))}`;
    return `${yellow("*")} … and ${count(more, "more message")}${whose} ${dim(this.#hint("them"))}`;
  }

  /** How they are read. In a direct chat a typed 3 would be said to the friend. */
  #hint(which: "it" | "them"): string {
    return this.#parts.isAtMenu() ? `(3 reads ${which})` : "(in your inbox)";
  }

  #tell(line: string): void {
    this.#terminal.printAbove(line);
    this.#terminal.refresh(); // the prompt says how much is unread
  }
}
