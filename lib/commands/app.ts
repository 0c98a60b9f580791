// The state of the client program: terminal, profile, and the account that is connected. Every option works on one of these.
import type { ChatClient, Sending } from "../client/chat_client.ts";
import type { SendOutcome } from "../client/outbox_sender.ts";
import { ChatError, ConnectionError, messageOf, NotSignedInError, UsageError } from "../errors.ts";
import { checked, type Params, type RequestName, type Result } from "../protocol/requests.ts";
import { passwordField } from "../protocol/fields.ts";
import type { AccountKey } from "../profile/account_records.ts";
import type { Acquaintance } from "../profile/people.ts";
import type { Profile } from "../profile/profile.ts";
import { Interrupt } from "../terminal/read_line.ts";
import { yellow } from "../terminal/style.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { unlessAborted, within } from "../waiting.ts";
import type { Account } from "./account.ts";
import { waitLine } from "./format.ts";
import { Notifier } from "./notify/notifier.ts";

/** How often a new password may fail to meet the rules before the question is given up. */
const PASSWORD_ATTEMPTS = 3;

/** How long a script waits for the server's answer to a message, in milliseconds, through reconnects. */
const SCRIPT_OUTCOME_WITHIN_MS = 30_000;

/** Waits shorter than this, in milliseconds, show no line: people do not notice them. Longer ones are looked at this often. */
const SHOWN_AFTER_MS = 300;

interface AppOptions {
  readonly isScript: boolean;
  readonly readInput: () => Promise<string>;
  readonly passwordCommand?: () => Promise<string>; // gives the password in place of the person
  /** Folder that files from direct chats are saved in; it need not exist yet. */
  readonly downloadFolder: string;
  readonly homeFolder: string;
  /** Says a line beside the output, which a program may read; above the prompt by default. */
  readonly warn?: (line: string) => void;
  readonly now?: () => number; // the clock of `performance.now()` by default
}

/** What is said when the server was to do something, and nobody knows whether it did. */
interface Doubt {
  readonly whether: string; // such as `bob was blocked`
  readonly look: string; // a sentence without its period: how to see it, or what to do
}

export class App implements AsyncDisposable {
  readonly terminal: Terminal;
  readonly profile: Profile;
  readonly downloadFolder: string;
  readonly homeFolder: string;
  readonly readInput: () => Promise<string>;
  readonly notifier: Notifier;
  readonly #options: AppOptions;
  readonly #names = new Map<string, Acquaintance>();
  /** Those of them that the profile has not heard of yet. */
  readonly #newNames = new Map<string, Acquaintance>();
  readonly #goodbyes = new Set<() => Promise<void>>();
  #account: Account | null = null;
  #inputLines: string[] | undefined; // of standard input, when passwords come from there: those not taken yet

  constructor(terminal: Terminal, profile: Profile, options: AppOptions) {
    this.terminal = terminal;
    this.profile = profile;
    this.downloadFolder = options.downloadFolder;
    this.homeFolder = options.homeFolder;
    this.readInput = options.readInput;
    this.#options = options;
    this.notifier = new Notifier({
      terminal,
      profile,
      account: () => this.#account,
      warn: (line) => this.warn(line),
    });
  }

  /** See `AppOptions.warn`. */
  warn(line: string): void {
    if (this.#options.warn) this.#options.warn(line);
    else this.terminal.printAbove(yellow(line));
  }

  get account(): Account | null {
    return this.#account;
  }

  /** Whether what is typed goes to the menu: in a subcommand there is none, and in a direct chat it goes to the friend. */
  get isAtMenu(): boolean {
    return !this.#options.isScript && this.#goodbyes.size === 0;
  }

  get isOnline(): boolean {
    return this.#account?.isOnline ?? false;
  }

  /** The chat of the account that is signed in. Throws `NotSignedInError` when none is. */
  client(): ChatClient {
    if (!this.#account) throw new NotSignedInError("Cannot do that before you are connected: 0 connects");
    return this.#account.client;
  }

  enter(account: Account): void {
    if (this.#account) {
      throw new UsageError(`Cannot connect: already connected as ${this.#account.name}; 7 disconnects`);
    }
    this.#account = account;
    for (const [name, how] of this.profile.peopleOf(account.key).list()) this.#names.set(name, how);
    this.#names.set(account.name, "met");
  }

  async leave(): Promise<void> {
    const account = this.#account;
    this.#account = null;
    if (account) this.#keepNames(account);
    await Promise.all([...this.#goodbyes].map((say) => say()));
    await account?.[Symbol.asyncDispose]();
    this.terminal.refresh();
  }

  /** Has something said before the connection ends, such as a chat's goodbye; dispose of what it returns to call it off. */
  beforeLeaving(say: () => Promise<void>): Disposable {
    this.#goodbyes.add(say);
    return { [Symbol.dispose]: () => void this.#goodbyes.delete(say) };
  }

  /** Logs out on this device, and removes what is kept of it there; where the server has ended the login already, that alone. */
  async logOut(): Promise<void> {
    const account = this.#account;
    if (!account) throw new NotSignedInError("Cannot log out: nobody is signed in");
    const { aborted, reason } = account.ended;
    const isOut = aborted && reason instanceof ChatError && reason.code === "unauthenticated";
    if (!isOut) {
      await this.change("logout", {}, {
        whether: "you are logged out",
        look: "The copy of your messages is still on this disk: log out again once the server answers",
      });
    }
    this.forgetLogin(account.key);
    await this.leave();
  }

  /** Removes a login, the copy of its messages and the lines that were typed: the next person at this device must not find them. */
  forgetLogin(key: AccountKey): void {
    this.profile.dropToken(key);
    this.profile.recordsOf(key).copy.remove();
    this.profile.clearHistory();
  }

  /** Notes a name for Tab, here and for later programs; `met`: its owner wrote, or was written to. */
  learnName(name: string, how: Acquaintance = "met"): void {
    const known = this.#names.get(name);
    if (known === "met" || known === how || name === this.#account?.name) return;
    this.#names.set(name, how);
    this.#newNames.set(name, how);
  }

  names(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  /** Leaves what was learned to the profile, once for a whole run. */
  #keepNames(account: Account): void {
    try {
      if (this.#newNames.size > 0) this.profile.peopleOf(account.key).keep(this.#newNames);
    } catch {
      // A full disk or a forgotten server; what this program was started for has been done.
    }
    this.#newNames.clear();
  }

  /** The menu's prompt: who is signed in, whether there is a connection, how much is unread. */
  prompt(): string {
    if (!this.#account) return "mini-chat> ";
    const { unread: { length: unread }, hasMore } = this.#account.client;
    const news = unread > 0 ? `${unread}${hasMore ? "+" : ""} new` : "";
    const state = [this.isOnline ? "" : "offline", news].filter(Boolean).join(", ");
    return `${this.#account.name}${state && ` (${state})`}> `;
  }

  /** The outcome of a message; null when the server has not answered in time, or throws the signal's reason: then the person is told later. */
  async outcomeWithin(sending: Sending, ms: number, signal?: AbortSignal): Promise<SendOutcome | null> {
    const account = this.#account;
    const news = account?.news;
    news?.awaits(sending.id);
    let outcome: SendOutcome | null = null;
    try {
      const work = signal ? unlessAborted(signal, sending.outcome) : sending.outcome;
      outcome = await within(ms, work) ?? null;
    } finally {
      news?.awaitsNoMore(sending.id, outcome === null);
    }
    // The caller tells the person, so it need not be told at the next connection.
    if (outcome?.kind === "refused") account?.records.dismissRefused(sending.id);
    return outcome;
  }

  /** The outcome of a script's message. Throws `ConnectionError` when the server has not taken it in time: the message stays queued. */
  async outcomeOrDisconnect(
    sending: Sending,
    signal?: AbortSignal,
    withinMs: number = SCRIPT_OUTCOME_WITHIN_MS,
  ): Promise<SendOutcome> {
    const outcome = await this.outcomeWithin(sending, withinMs, signal);
    if (outcome) return outcome;
    const { cause, words } = this.whyQueued();
    throw new ConnectionError(
      `${words}. The message is saved here and will be sent, only once, at the next connection`,
      { cause },
    );
  }

  /** Why a message has not been taken yet. */
  whyQueued(): { readonly words: string; readonly cause: ChatError | null } {
    const cause = this.#account?.client.heldUp ?? null;
    const uncertain = "Cannot tell whether the message was stored";
    if (!this.isOnline) return { words: `${uncertain}: the connection was lost`, cause };
    if (cause !== null && cause.code !== "timeout") return { words: cause.message, cause };
    return { words: `${uncertain}: the server has not answered yet`, cause };
  }

  /**
   * Has the server change something, and shows that it waits; Ctrl+C ends the wait.
   * @throws {ConnectionError} with the doubt when no answer comes; or when there is no connection.
   * @throws {ChatError} when the server refuses.
   */
  async change<M extends RequestName>(method: M, params: Params<M>, doubt: Doubt): Promise<Result<M>> {
    const client = this.client();
    if (!this.isOnline) return await client.call(method, params);
    return await this.waitFor("Waiting for the server", (signal) => client.call(method, params, { signal }))
      .catch((error) => this.failInDoubt(error, doubt));
  }

  /**
   * Ends what the server was to do, where no answer came.
   * @throws {ConnectionError} with the doubt, where the error leaves open whether it was done; any other error as it is.
   */
  failInDoubt(error: unknown, { whether, look }: Doubt): never {
    const why = error instanceof Interrupt
      ? "the server has not answered yet"
      : error instanceof ChatError && error.code === "timeout"
      ? "the server has not answered in time"
      : error instanceof ConnectionError
      ? "the connection was lost"
      : null;
    if (why === null) throw error;
    const words = `Cannot tell whether ${whether}: ${why}. ${look}`;
    // A script that runs the program stops too.
    if (error instanceof Interrupt && this.#options.isScript) {
      this.warn(words);
      throw error;
    }
    throw new ConnectionError(words, { cause: error });
  }

  /**
   * Waits for work that may take long, or for ever, and shows a line about it, after a while with the seconds it has taken; but not
   * in a script whose output a program reads.
   * @param what Name of the work, such as `Connecting to chat.example.org`; made safe by the caller.
   * @param work Does it, and rejects with the signal's reason soon after that is aborted.
   * @throws {Interrupt} at Ctrl+C, if the work rejects with the signal's reason.
   */
  async waitFor<Result>(what: string, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const stop = new AbortController();
    if (this.#options.isScript && !this.terminal.isInteractive) return await work(stop.signal);
    using _interrupt = this.terminal.onInterrupt(() => stop.abort(new Interrupt()));
    const { now = () => performance.now() } = this.#options;
    const startedAt = now();
    const timer = setInterval(() => {
      // Where each text is another line, one is enough.
      const waitedMs = this.terminal.isInteractive ? now() - startedAt : 0;
      this.terminal.status(waitLine(what, waitedMs));
    }, SHOWN_AFTER_MS);
    try {
      return await work(stop.signal);
    } finally {
      clearInterval(timer);
      this.terminal.status("");
    }
  }

  /** Asks for a new password, twice where it is typed unseen, unless `typed` meets the rules; null when the person gives up. */
  async askNewPassword(prompt: string, typed?: string): Promise<string | null> {
    return await this.#newPassword(await this.#givenPassword(this.#options.passwordCommand), prompt, typed);
  }

  /** Asks for the password that comes in place of the present one; `command` gives it, as `--password-command` gives that. */
  async askReplacingPassword(prompt: string, command?: () => Promise<string>): Promise<string | null> {
    return await this.#newPassword(await this.#givenPassword(command), prompt);
  }

  async #newPassword(given: string | null, prompt: string, typed?: string): Promise<string | null> {
    if (given) return checked(passwordField, given, "the password");
    if (given === "") return null;
    let password = typed ?? await this.terminal.readSecret(prompt);
    for (let attempt = 1; password !== null; attempt++) {
      const problem = await this.#problemWith(password);
      if (!problem) return password;
      if (attempt === PASSWORD_ATTEMPTS || !this.terminal.isInteractive) throw new UsageError(problem);
      await this.terminal.print(problem);
      password = await this.terminal.readSecret(prompt);
    }
    return null;
  }

  /** Asks for the password of an account, or takes it from the command given; null at the end of input. */
  async askPassword(prompt: string): Promise<string | null> {
    return await this.#givenPassword(this.#options.passwordCommand) ?? await this.terminal.readSecret(prompt);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  /** The password that a command prints, or that a script hands over on standard input; null where a person is to be asked. */
  async #givenPassword(command: (() => Promise<string>) | undefined): Promise<string | null> {
    if (command) {
      return await command().catch((cause) => {
        throw new UsageError(messageOf(cause), { cause });
      });
    }
    if (!this.#options.isScript || this.terminal.isInteractive) return null;
    this.#inputLines ??= (await this.readInput()).split(/\r?\n/);
    return this.#inputLines.shift() ?? "";
  }

  async #problemWith(password: string): Promise<string | null> {
    try {
      checked(passwordField, password, "the password");
    } catch (error) {
      return messageOf(error);
    }
    if (!this.terminal.isInteractive) return null;
    return await this.terminal.readSecret("Once more: ") === password
      ? null
      : "Cannot use the password: the two do not match";
  }
}
