/**
 * A person at the keyboard with a profile of their own, and the e-mail option in front of them.
 * @module
 */
import assert from "node:assert/strict";
import { emailOption } from "../../lib/commands/email.ts";
import { type EmailParts, makeEmailParts } from "../../lib/commands/email_parts.ts";
import type { SignIn } from "../../lib/mail/account.ts";
import type { SmtpEndpoint } from "../../lib/mail/providers.ts";
import { openProfile, type Profile } from "../../lib/store/profile.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { tempFolder } from "./temp_folder.ts";

/** How long a text may take to appear before the test fails, in milliseconds. */
const APPEARS_WITHIN_MS = 10_000;

/** How a desk is set up. */
export interface DeskOptions {
  /** Addresses that Mini-Chat users have published. */
  readonly published?: Readonly<Record<string, string>>;
  /** What opening a link does; nothing, as over ssh, by default. */
  readonly openBrowser?: (url: string) => Promise<boolean>;
  /** Whether the input is a pipe. */
  readonly isPipe?: boolean;
  /** Columns of the screen; 200 by default, so that sentences stay in one row. */
  readonly columns?: number;
}

/** Everything at hand. */
export class EmailDesk implements AsyncDisposable {
  /** Keyboard and screen. */
  readonly tty: FakeTerminal;
  /** The e-mail part of the program. */
  readonly parts: EmailParts;
  /** Folder of the profile. */
  readonly folder: string;
  readonly #options: DeskOptions;
  readonly #profile: Profile;
  readonly #folder = tempFolder();
  readonly #stop = new AbortController();
  #seen = ""; // what earlier waits have looked at; a line that was taken away since counts no more

  constructor(options: DeskOptions = {}) {
    const isPipe = options.isPipe === true;
    this.tty = new FakeTerminal({
      columns: options.columns ?? 200,
      rows: 60,
      noColor: "1",
      isKeyboard: !isPipe,
      isScreen: !isPipe,
    });
    this.folder = this.#folder.path;
    this.#profile = openProfile(this.folder);
    this.#options = options;
    this.parts = this.reopen();
  }

  /** The e-mail part as a later run of the program would have it: the same profile, nothing in memory. */
  reopen(): EmailParts {
    const { published, openBrowser } = this.#options;
    return makeEmailParts({
      terminal: this.tty.terminal,
      profile: this.#profile,
      profileFolder: this.folder,
      findPublishedAddress: (name) => Promise.resolve(published?.[name] ?? null),
      openBrowser: openBrowser ?? (() => Promise.resolve(false)),
    });
  }

  /** Runs `email …` as the menu does. */
  run(args = "", signal: AbortSignal = this.#stop.signal): Promise<void> {
    const context = { terminal: this.tty.terminal, signal, leave: () => {} };
    const done = Promise.resolve(emailOption(this.parts).run(args, context));
    done.catch(() => {}); // a test that fails before it waits for this one shows its own failure
    return done;
  }

  /** Saves an account without a dialogue. */
  async addAccount(
    endpoint: SmtpEndpoint,
    signIn: SignIn = { kind: "none" },
    address = "ann@example.org",
  ): Promise<void> {
    await this.parts.store.saveMailAccount({
      id: crypto.randomUUID(),
      address,
      name: "Ann",
      endpoint,
      signIn,
    });
  }

  /** Waits until a text appears behind what earlier waits saw. */
  async sees(text: string): Promise<void> {
    const deadline = Date.now() + APPEARS_WITHIN_MS;
    while (true) {
      const now = this.tty.screen.text();
      const from = commonStart(this.#seen, now);
      const at = now.indexOf(text, from);
      if (at >= 0) {
        this.#seen = now.slice(0, at + text.length);
        return;
      }
      assert.ok(Date.now() < deadline, `never appeared: ${text}\n--- on the screen:\n${now.slice(from)}`);
      await this.tty.settle();
    }
  }

  /** Answers questions in order: waits for each, then types its answer and Enter. */
  async answers(...exchange: readonly (readonly [question: string, answer: string])[]): Promise<void> {
    for (const [question, answer] of exchange) {
      await this.sees(question);
      this.tty.type(`${answer}\r`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.tty[Symbol.asyncDispose]();
    this.#profile[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** How much two texts have in common at their beginning. */
function commonStart(one: string, other: string): number {
  if (other.startsWith(one)) return one.length;
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}
