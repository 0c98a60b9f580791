// Mail accounts: who sends, through which server, and how it is signed in to.
// Plain data that a store keeps as it is. Passwords and tokens stand in it only where the person wanted that.
import type { OAuthSettings, OAuthTokens } from "./oauth_service.ts";
import type { SmtpEndpoint } from "./providers.ts";

export type SignIn =
  | { readonly kind: "none" } // for a server that trusts its network
  | { readonly kind: "password"; readonly user: string; readonly password: string } // kept with the account
  | { readonly kind: "password_command"; readonly user: string; readonly command: string } // printed each time
  | { readonly kind: "password_asked"; readonly user: string } // asked for once in each run, never stored
  | {
    readonly kind: "oauth2"; // OAuth2 with the person's own client id
    readonly user: string;
    readonly settings: OAuthSettings;
    readonly tokens: OAuthTokens;
  };

export interface MailAccount {
  readonly id: string;
  readonly address: string; // the address that mails come from, which is also its name in lists
  readonly name: string; // name shown to recipients; empty when there is none
  readonly endpoint: SmtpEndpoint;
  readonly signIn: SignIn;
}

/** Where accounts are kept. The first one saved becomes the default. */
export interface MailAccountStore {
  listMailAccounts(): Promise<MailAccount[]>; // the default first, then by address
  saveMailAccount(account: MailAccount): Promise<void>; // in place of one with the same id
  /** Changes an account as it is now, whoever saved it; nothing happens when it is gone. Nothing comes in between. */
  changeMailAccount(id: string, change: (account: MailAccount) => MailAccount): Promise<void>;
  /** Removes an account; the oldest that is left becomes the default when it was. */
  removeMailAccount(id: string): Promise<void>;
  setDefaultMailAccount(id: string): Promise<void>;
}

/** A password as it was meant: an app password without its spaces, any other without the line's end. */
export function tidyPassword(typed: string): string {
  const joined = typed.replace(/\s+/g, "");
  return /^[a-z]{16}$/i.test(joined) ? joined : typed.replace(/[\r\n]+$/, "");
}

export const SIGN_IN_TITLES: Readonly<Record<SignIn["kind"], string>> = {
  none: "no sign-in",
  password: "password, stored",
  password_command: "password from a command",
  password_asked: "password, asked each time",
  oauth2: "OAuth2",
};
