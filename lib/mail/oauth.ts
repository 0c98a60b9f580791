// OAuth2 for mail: consent in a browser with PKCE and a checked state, renewal, and giving it back.
// The protocol work is oauth4webapi's. RFC 8252 (native apps: loopback redirect, system browser), RFC 7636 (PKCE),
// RFC 7009 (revocation). Knows nothing of the terminal: the caller opens the link and brings the answer.
import * as oauth from "oauth4webapi";
import { messageOf } from "../errors.ts";
import { MailError, type MailFault } from "./mail_error.ts";
import type { OAuthSettings, OAuthTokens } from "./oauth_service.ts";

const REQUEST_TIMEOUT_MS = 30_000; // longest wait for one answer of the provider, milliseconds

/** A consent that was begun: the link to open, and what the answer must fit. */
export interface PendingConsent {
  readonly url: string;
  readonly redirectUri: string;
  readonly state: string; // returns in the answer; anything else is somebody else's
  readonly codeVerifier: string; // proves that the code is ours (RFC 7636); never leaves this process before the exchange
}

export async function beginConsent(
  settings: OAuthSettings,
  redirectUri: string,
  address: string,
): Promise<PendingConsent> {
  const { service } = settings;
  const codeVerifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(service.authorizationUrl);
  const parameters = {
    response_type: "code",
    client_id: settings.clientId,
    redirect_uri: redirectUri,
    scope: service.scope,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: "S256",
    login_hint: address,
    ...service.extraParameters,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, redirectUri, state, codeVerifier };
}

export function isAnswerTo(pending: PendingConsent, answer: URL): boolean {
  return answer.searchParams.get("state") === pending.state;
}

/**
 * Ends a consent: checks the answer and exchanges its code.
 * @throws {MailError} `consent_denied`, `consent_failed`, `oauth_client_wrong`, or a temporary `no_network`.
 */
export async function finishConsent(
  settings: OAuthSettings,
  pending: PendingConsent,
  answer: URL,
  now: number = Date.now(),
): Promise<OAuthTokens> {
  return await explained(settings, async (parties, options) => {
    const { redirectUri, codeVerifier, state } = pending;
    const [server, client] = parties;
    // Also compares `state`, and `iss` where the provider sends it.
    const code = oauth.validateAuthResponse(server, client, answer, state);
    const exchanged = [code, redirectUri, codeVerifier] as const;
    const response = await oauth.authorizationCodeGrantRequest(...parties, ...exchanged, options);
    const result = await oauth.processAuthorizationCodeResponse(server, client, response);
    if (result.refresh_token === undefined) {
      const advice = "remove this program's access in the provider's account settings, then sign in again";
      throw new MailError("consent_failed", `The provider gave no refresh token: ${advice}`);
    }
    return readTokens(result, result.refresh_token, now);
  });
}

/**
 * Buys a new access token.
 * @throws {MailError} `token_refused` when consent has ended, `oauth_client_wrong`, or a temporary `no_network`.
 */
export async function renewTokens(
  settings: OAuthSettings,
  refreshToken: string,
  now: number = Date.now(),
): Promise<OAuthTokens> {
  return await explained(settings, async (parties, options) => {
    const [server, client] = parties;
    const response = await oauth.refreshTokenGrantRequest(...parties, refreshToken, options);
    const result = await oauth.processRefreshTokenResponse(server, client, response);
    return readTokens(result, result.refresh_token ?? refreshToken, now);
  });
}

/** An access token is renewed this long before it ends, milliseconds: it must outlive one upload's start. */
const RENEW_EARLY_MS = 60_000;

/** Where tokens are kept; another process may renew them too. */
interface KeptTokens {
  readonly load: () => Promise<OAuthTokens>;
  readonly save: (tokens: OAuthTokens, renewedWith: string) => Promise<void>;
  readonly now?: (() => number) | undefined; // epoch milliseconds; the system's clock by default
}

/** Gives out access tokens and renews them, one renewal at a time. */
export class TokenSource {
  readonly #settings: OAuthSettings;
  readonly #kept: KeptTokens;
  #renewal: Promise<string> | null = null; // set while one is under way

  constructor(settings: OAuthSettings, kept: KeptTokens) {
    this.#settings = settings;
    this.#kept = kept;
  }

  /** An access token that is good for at least a minute; a new one where the mail server refused the last. */
  async getAccessToken(mustRenew: boolean): Promise<string> {
    const { now = Date.now } = this.#kept;
    const tokens = await this.#kept.load();
    const isFresh = tokens.accessTokenExpiresAt - RENEW_EARLY_MS > now();
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
      const current = await this.#kept.load();
      if (current.refreshToken === tokens.refreshToken) throw error;
      return await this.#renewWith(current.refreshToken);
    }
  }

  async #renewWith(refreshToken: string): Promise<string> {
    const renewed = await renewTokens(this.#settings, refreshToken, this.#kept.now?.());
    await this.#kept.save(renewed, refreshToken);
    return renewed.accessToken;
  }
}

/** Gives a consent back; `false` when the provider did not confirm it, has no place for that or cannot be reached. */
export async function revokeTokens(settings: OAuthSettings, tokens: OAuthTokens): Promise<boolean> {
  if (settings.service.revocationUrl === undefined) return false;
  try {
    return await explained(settings, async (parties, options) => {
      const response = await oauth.revocationRequest(...parties, tokens.refreshToken, options);
      await oauth.processRevocationResponse(response);
      return true;
    });
  } catch (error) {
    if (error instanceof MailError) return false;
    throw error;
  }
}

function readTokens(result: oauth.TokenEndpointResponse, refreshToken: string, now: number): OAuthTokens {
  return {
    refreshToken,
    accessToken: result.access_token,
    // RFC 6749 §5.1 only recommends a lifetime; without one the token is taken as good for this mail alone.
    accessTokenExpiresAt: now + (result.expires_in ?? 0) * 1000,
  };
}

type Parties = [oauth.AuthorizationServer, oauth.Client, oauth.ClientAuth];

/** Runs requests with the right CAs, and turns what they throw into the next step. Nothing thrown holds a token. */
async function explained<Result>(
  settings: OAuthSettings,
  run: (parties: Parties, options: oauth.TokenEndpointRequestOptions) => Promise<Result>,
): Promise<Result> {
  const { service, clientId, clientSecret, caPem } = settings;
  const server: oauth.AuthorizationServer = {
    issuer: service.issuer,
    authorization_endpoint: service.authorizationUrl,
    token_endpoint: service.tokenUrl,
    ...(service.revocationUrl === undefined ? {} : { revocation_endpoint: service.revocationUrl }),
  };
  const authentication = clientSecret === undefined ? oauth.None() : oauth.ClientSecretPost(clientSecret);
  using client = caPem === undefined ? null : Deno.createHttpClient({ caCerts: [caPem] });
  const fetchWith: typeof fetch = (input, init) => fetch(input, client === null ? init : { ...init, client });
  try {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    return await run([server, { client_id: clientId }, authentication], {
      signal,
      [oauth.customFetch]: fetchWith,
    });
  } catch (error) {
    throw explain(error, settings);
  }
}

function explain(error: unknown, settings: OAuthSettings): MailError {
  if (error instanceof MailError) return error;
  const host = new URL(settings.service.tokenUrl).host;
  const retry = 'run "email setup" to try again';
  if (error instanceof oauth.AuthorizationResponseError) {
    const serverWords = wordsOf(error);
    return error.error === "access_denied"
      ? new MailError("consent_denied", `Sign-in was declined in the browser: ${retry}`, { serverWords })
      : new MailError("consent_failed", `${host} could not sign you in: ${retry}`, { serverWords });
  }
  if (error instanceof oauth.ResponseBodyError) return explainBody(error, host);
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
    const sentence = `${host} sent an answer that does not fit the request: ${retry}`;
    return new MailError("consent_failed", sentence, { serverWords: error.message });
  }
  // Deno 2.9 says why a fetch failed in the cause of its error, Deno 2.8 in the error itself.
  const serverWords = messageOf(error instanceof Error && error.cause instanceof Error ? error.cause : error);
  if (/certificate|UnknownIssuer/i.test(serverWords)) {
    const sentence = `The certificate of ${host} cannot be trusted, so nothing was sent: check its address`;
    return new MailError("certificate", sentence, { serverWords });
  }
  const sentence = `Cannot reach ${host}: check the network`;
  return new MailError("no_network", sentence, { isTemporary: true, serverWords });
}

function explainBody(error: oauth.ResponseBodyError, host: string): MailError {
  const told = (fault: MailFault, sentence: string) =>
    new MailError(fault, sentence, { serverWords: wordsOf(error) });
  const again = 'run "email setup" to sign in again';
  switch (error.error) {
    case "invalid_grant":
      return told("token_refused", `The sign-in has expired or was revoked: ${again}`);
    case "invalid_client":
    case "unauthorized_client": {
      const advice = 'check the client id and secret, then run "email setup"';
      return told("oauth_client_wrong", `${host} does not know this OAuth2 client: ${advice}`);
    }
    default:
      return told("consent_failed", `${host} refuses the request: ${again}`);
  }
}

function wordsOf(error: oauth.AuthorizationResponseError | oauth.ResponseBodyError): string {
  return [error.error, error.error_description].filter(Boolean).join(": ");
}
