/**
 * Access tokens handed out while they last, and renewed by themselves.
 * @module
 */

import { MailError } from "../mail_error.ts";
import { renewTokens } from "../oauth.ts";
import type { OAuthSettings, OAuthTokens } from "./service.ts";

/** An access token is renewed this long before it ends, milliseconds: it must outlive one upload's start. */
const RENEW_EARLY_MS = 60_000;

/** Gives out access tokens and renews them, one renewal at a time. */
export class TokenSource {
  readonly #settings: OAuthSettings;
  readonly #load: () => Promise<OAuthTokens>;
  readonly #save: (tokens: OAuthTokens, renewedWith: string) => Promise<void>;
  readonly #now: () => number;
  #renewal: Promise<string> | null = null; // set while one is under way

  /** Makes a source over tokens that are kept elsewhere, as another process may renew them too. */
  constructor(
    settings: OAuthSettings,
    kept: {
      load: () => Promise<OAuthTokens>;
      save: (tokens: OAuthTokens, renewedWith: string) => Promise<void>;
      now?: () => number;
    },
  ) {
    this.#settings = settings;
    this.#load = kept.load;
    this.#save = kept.save;
    this.#now = kept.now ?? Date.now;
  }

  /**
   * An access token that is good for at least a minute.
   *
   * @param mustRenew Whether the last one was refused by the mail server.
   * @throws {MailError} As {@linkcode renewTokens}.
   */
  async getAccessToken(mustRenew: boolean): Promise<string> {
    const tokens = await this.#load();
    const isFresh = tokens.accessTokenExpiresAt - RENEW_EARLY_MS > this.#now();
    if (isFresh && !mustRenew) return tokens.accessToken;
    this.#renewal ??= this.#renew(tokens).finally(() => this.#renewal = null);
    return await this.#renewal;
  }

  async #renew(tokens: OAuthTokens): Promise<string> {
    try {
      return await this.#renewWith(tokens.refreshToken);
    } catch (error) {
      // Providers that change the refresh token at each use refuse the old one: another process may have the new one.
      if (!(error instanceof MailError) || error.fault !== "token_refused") throw error;
      const current = await this.#load();
      if (current.refreshToken === tokens.refreshToken) throw error;
      return await this.#renewWith(current.refreshToken);
    }
  }

  async #renewWith(refreshToken: string): Promise<string> {
    const renewed = await renewTokens(this.#settings, refreshToken, this.#now());
    await this.#save(renewed, refreshToken);
    return renewed.accessToken;
  }
}
