/**
 * A person at the keyboard with a profile of their own, and the e-mail option in front of them.
 * @module
 */
import { emailOption } from "../../lib/commands/email/option.ts";
import { type EmailParts, makeEmailParts } from "../../lib/commands/email/parts.ts";
import type { SignIn } from "../../lib/mail/account.ts";
import type { SmtpEndpoint } from "../../lib/mail/providers.ts";
import { openProfile, type Profile } from "../../lib/profile/profile.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { ScreenReader } from "./screen_reader.ts";
import { tempFolder } from "./temp_folder.ts";

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
  readonly #screen: ScreenReader;

  constructor(options: DeskOptions = {}) {
    const isPipe = options.isPipe === true;
    this.tty = new FakeTerminal({
      columns: options.columns ?? 200,
      rows: 60,
      noColor: "1",
      isKeyboard: !isPipe,
      isScreen: !isPipe,
    });
    this.#screen = new ScreenReader(this.tty);
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
      triesAgain: this.#options.isPipe !== true, // a script has a pipe here, the menu a keyboard
      openBrowser: openBrowser ?? (() => Promise.resolve(false)),
    });
  }

  /** Runs `email …` as the menu does. */
  run(args = "", signal: AbortSignal = this.#stop.signal): Promise<void> {
    const context = { terminal: this.tty.terminal, signal, leave: () => {}, instead: () => false };
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

  /** See {@linkcode ScreenReader.sees}. */
  sees(text: string): Promise<void> {
    return this.#screen.sees(text);
  }

  /** See {@linkcode ScreenReader.answers}. */
  answers(...exchange: readonly (readonly [question: string, answer: string])[]): Promise<void> {
    return this.#screen.answers(...exchange);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.tty[Symbol.asyncDispose]();
    this.#profile[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}
