/**
 * The mailer: from an account to a dialogue with its server, with the secret fetched on the way. A password that is
 * asked for is asked once in each run.
 * @module
 */
import type { MailAccount, MailAccountStore } from "./account.ts";
import { isPasswordFault, MailError } from "./mail_error.ts";
import type { OAuthTokens } from "./oauth_service.ts";
import { readPasswordCommand } from "./password_command.ts";
import { TokenSource } from "./oauth.ts";
import { checkSignIn, submitMail } from "./smtp/dialogue.ts";
import type { Acceptance, Credentials, Submission, SubmissionOptions } from "./submission.ts";

/**
 * Asks a person for the password of an account; `null` when there is none to ask, or they gave none. `refused` tells why
 * the one before was not accepted; `null` at the first time.
 */
export type AskPassword = (account: MailAccount, refused: MailError | null) => Promise<string | null>;

/** Options of one use of a mailer. */
export interface MailerOptions extends SubmissionOptions {
  /** Asks for a password that is not stored; unset where nobody can answer, as in the background. */
  readonly askPassword?: AskPassword;
}

/** What a mailer works with. */
export interface MailerParts {
  /** Keeps the accounts, and renewed tokens. */
  readonly accounts: MailAccountStore;
  /** Runs a password command; `canAsk` tells whether it may use keyboard and screen. The system's shell by default. */
  readonly runPasswordCommand?: (command: string, canAsk: boolean) => Promise<string>;
  /** Epoch milliseconds; the system's clock by default. */
  readonly now?: () => number;
}

/** OAuth2 credentials that know whether a renewal has been tried. */
type RenewableCredentials = Extract<Credentials, { kind: "oauth2" }> & { hasRenewed(): boolean };

/** Hands mails in, and remembers passwords that were typed in this run. */
export class Mailer {
  readonly #parts: MailerParts;
  readonly #asked = new Map<string, string>(); // account id → password typed in this run

  /** Makes a mailer; nothing is read before it is used. */
  constructor(parts: MailerParts) {
    this.#parts = parts;
  }

  /**
   * Hands a mail in for a saved account.
   * @throws {MailError} As {@linkcode submitMail}, and when the account is gone or has no secret.
   */
  async submit(accountId: string, mail: Submission, options: MailerOptions = {}): Promise<Acceptance> {
    const account = await this.#find(accountId);
    if (account === undefined) {
      const advice = "drop the mail and send it from another account";
      throw new MailError("secret_missing", `The account of this mail was removed: ${advice}`);
    }
    const submit = (credentials: Credentials) => submitMail({ ...account, credentials }, mail, options);
    return await this.#with(account, true, options, submit);
  }

  /**
   * Connects and signs in as an account that need not be saved yet, and sends nothing. Tokens that are renewed on
   * the way are not kept.
   * @throws {MailError} When that does not work.
   */
  async check(account: MailAccount, options: MailerOptions = {}): Promise<void> {
    const check = (credentials: Credentials) => checkSignIn({ ...account, credentials }, options);
    await this.#with(account, false, options, check);
  }

  /** Remembers a password for this run, as if it had just been asked for. */
  rememberPassword(accountId: string, password: string): void {
    this.#asked.set(accountId, password);
  }

  async #with<Result>(
    account: MailAccount,
    isSaved: boolean,
    options: MailerOptions,
    run: (credentials: Credentials) => Promise<Result>,
  ): Promise<Result> {
    let refused: MailError | null = null; // set once a typed password was not accepted
    while (true) {
      const credentials = await this.#credentials(account, isSaved, options.askPassword, refused);
      try {
        return await run(credentials);
      } catch (error) {
        if (!(error instanceof MailError)) throw error;
        if (isPasswordFault(error.fault)) {
          // A password typed wrongly must be asked for again, not be remembered.
          this.#asked.delete(account.id);
          if (account.signIn.kind !== "password_asked" || options.askPassword === undefined) throw error;
          refused = error;
          continue;
        }
        // nodemailer renews only after a 334 challenge, as Gmail sends; other servers refuse a stale token at once.
        const isStale = error.fault === "token_refused" && error.smtpCode !== undefined;
        if (credentials.kind !== "oauth2" || !isStale || credentials.hasRenewed()) throw error;
        await credentials.getAccessToken(true);
        return await run(credentials);
      }
    }
  }

  async #credentials(
    account: MailAccount,
    isSaved: boolean,
    askPassword: AskPassword | undefined,
    refused: MailError | null,
  ): Promise<Exclude<Credentials, { kind: "oauth2" }> | RenewableCredentials> {
    const { signIn } = account;
    switch (signIn.kind) {
      case "none":
      case "password":
        return signIn;
      case "password_command": {
        const canAsk = askPassword !== undefined;
        const { runPasswordCommand: run = readPasswordCommand } = this.#parts;
        return { kind: "password", user: signIn.user, password: await run(signIn.command, canAsk) };
      }
      case "password_asked": {
        const password = await this.#ask(account, askPassword, refused);
        return { kind: "password", user: signIn.user, password };
      }
      case "oauth2": {
        // An account that is only being tried has newer tokens than the store: those of a consent just given.
        let tokens = signIn.tokens;
        const source = new TokenSource(signIn.settings, {
          load: async () => {
            const saved = isSaved ? (await this.#find(account.id))?.signIn : undefined;
            return saved?.kind === "oauth2" ? saved.tokens : tokens;
          },
          save: async (renewed, renewedWith) => {
            tokens = renewed;
            if (!isSaved) return;
            const change = (current: MailAccount) => withTokens(current, renewed, renewedWith);
            await this.#parts.accounts.changeMailAccount(account.id, change);
          },
          now: this.#parts.now,
        });
        let hasRenewed = false;
        return {
          kind: "oauth2",
          user: signIn.user,
          getAccessToken: (renew) => {
            hasRenewed ||= renew;
            return source.getAccessToken(renew);
          },
          hasRenewed: () => hasRenewed,
        };
      }
    }
  }

  async #find(accountId: string): Promise<MailAccount | undefined> {
    return (await this.#parts.accounts.listMailAccounts()).find((item) => item.id === accountId);
  }

  async #ask(
    account: MailAccount,
    askPassword: AskPassword | undefined,
    refused: MailError | null,
  ): Promise<string> {
    const known = this.#asked.get(account.id) ?? await askPassword?.(account, refused) ?? null;
    if (known === null || known === "") {
      const sentence =
        `The password of ${account.address} is not stored: run "email outbox retry" and type it`;
      throw refused ?? new MailError("secret_missing", sentence, { isTemporary: true });
    }
    this.#asked.set(account.id, known);
    return known;
  }
}

/**
 * The account with renewed tokens. Whatever was set up meanwhile stays, and so do tokens of a newer consent, or of a
 * renewal by another process: the renewed ones come from a refresh token that is no longer the account's.
 */
function withTokens(account: MailAccount, tokens: OAuthTokens, renewedWith: string): MailAccount {
  const { signIn } = account;
  if (signIn.kind !== "oauth2" || signIn.tokens.refreshToken !== renewedWith) return account;
  return { ...account, signIn: { ...signIn, tokens } };
}
