/**
 * Decides whether the person is to be called, and how: for a message, an invitation, a line in a direct chat.
 *
 * Never while they look at the terminal, in quiet hours, or of a conversation that is switched off; and a flood calls once.
 * @module
 */
import { messageOf } from "../../errors.ts";
import type { AccountKey } from "../../profile/account_records.ts";
import type { Profile } from "../../profile/profile.ts";
import { oneLine } from "../../terminal/safe_text.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { type NotifyChoices, readChoices } from "./choices.ts";
import { NoticeCommand } from "./notice_command.ts";
import { isQuiet } from "./quiet_hours.ts";

/** Something that happened. */
export interface Notice {
  readonly kind: "message" | "invitation" | "line"; // `line`: in a direct chat
  readonly from: string;
  readonly text?: string;
}

/** A conversation calls at most once in this time, and all of them together at most so often; milliseconds. */
const PAUSE_MS = 5_000;
const MOST_IN_A_PAUSE = 3;

interface NotifierParts {
  readonly terminal: Terminal;
  readonly profile: Profile;
  readonly account: () => {
    readonly key: AccountKey;
    readonly client: { readonly unread: readonly unknown[] };
  } | null; // the one that is signed in
  readonly warn: (line: string) => void;
  readonly now?: () => number; // epoch milliseconds; `Date.now` by default
}

export class Notifier {
  readonly #parts: NotifierParts;
  readonly #now: () => number;
  readonly #command: NoticeCommand;
  readonly #calledAt = new Map<string, number>(); // by conversation, within the last pause

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
    this.#command = new NoticeCommand((why) => this.#tellFailure(why));
  }

  /** Calls the person, unless they look here or want to be left alone. */
  notify(notice: Notice): void {
    const { terminal } = this.#parts;
    if (!terminal.isInteractive || terminal.alerts.hasFocus) return;
    this.notifyAnyway(notice);
  }

  /** The same, whether or not somebody looks: for a script that was asked to. */
  notifyAnyway(notice: Notice): void {
    if (this.#isFlood(notice.from)) return;
    try {
      const choices = readChoices(this.#parts.profile);
      if (!this.#wants(choices, notice.from)) return;
      this.#calledAt.set(notice.from, this.#now());
      this.call(choices, notice);
    } catch (error) {
      // A profile that is held or full just now must not hold up the message itself.
      this.#tellFailure(messageOf(error));
    }
  }

  /** Calls the person now. */
  call({ way, command, hidesText }: NotifyChoices, { kind, from, text }: Notice): void {
    if (way === "command" && command !== null) {
      const unread = this.#parts.account()?.client.unread.length ?? 0;
      const shown = hidesText || text === undefined ? {} : { text };
      return this.#command.start(command, { kind, from, ...shown, unread, at: this.#now() });
    }
    const what = kind === "invitation"
      ? "invites you to a direct chat"
      : hidesText
      ? "wrote to you"
      : text ?? "";
    const { alerts } = this.#parts.terminal;
    alerts.call(from, what, way === "auto" || way === "command" ? alerts.style : way);
  }

  /** Resolves once no command runs any more. */
  settled(): Promise<void> {
    return this.#command.settled;
  }

  #wants(choices: NotifyChoices, from: string): boolean {
    const account = this.#parts.account();
    const exception = account && this.#parts.profile.settings.notifiesOf(account.key, from);
    if (!(exception ?? choices.isOn)) return false;
    return choices.quiet === null || !isQuiet(choices.quiet, new Date(this.#now()));
  }

  #isFlood(from: string): boolean {
    const since = this.#now() - PAUSE_MS;
    for (const [other, at] of this.#calledAt) {
      // A clock that was set back ends the pause too.
      if (at <= since || at > this.#now()) this.#calledAt.delete(other);
    }
    return this.#calledAt.has(from) || this.#calledAt.size >= MOST_IN_A_PAUSE;
  }

  #tellFailure(why: string): void {
    this.#parts.warn(`The notification failed: ${oneLine(why, 200)}. See the command notify`);
  }
}
