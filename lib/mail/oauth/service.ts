/**
 * OAuth2 providers: where each wants the browser and the requests to go, and what consent gives.
 * @module
 */

/** A provider's addresses. All are `https:`. */
export interface OAuthService {
  /** Name of the issuer, compared with the answer's `iss` where there is one (RFC 9207). */
  readonly issuer: string;
  readonly authorizationUrl: string;
  /** Where codes and refresh tokens are exchanged. */
  readonly tokenUrl: string;
  /** Where tokens are given back; unset when the provider has no such place. */
  readonly revocationUrl?: string;
  readonly scope: string;
  /** Host of the loopback redirect: providers disagree on its spelling. */
  readonly redirectHost: "127.0.0.1" | "localhost";
  readonly extraParameters?: Readonly<Record<string, string>>;
}

/** A provider and the person's own client there. */
export interface OAuthSettings {
  readonly service: OAuthService;
  readonly clientId: string;
  /** Its secret; unset for clients without one. Google gives desktop clients one, and wants it back. */
  readonly clientSecret?: string;
  /** PEM of the only CAs trusted for the provider; unset means the built-in roots. */
  readonly caPem?: string;
}

export interface OAuthTokens {
  /** Buys access tokens until it is revoked. */
  readonly refreshToken: string;
  readonly accessToken: string;
  /** Epoch milliseconds when it ends. */
  readonly accessTokenExpiresAt: number;
}

/** Google's, as its discovery document gives them. */
export const GOOGLE: OAuthService = {
  issuer: "https://accounts.google.com",
  authorizationUrl: "https://accounts.google.com/o/oauth2/v2/auth",
  tokenUrl: "https://oauth2.googleapis.com/token",
  revocationUrl: "https://oauth2.googleapis.com/revoke",
  scope: "https://mail.google.com/",
  redirectHost: "127.0.0.1",
  // Without both, Google gives a refresh token only the first time.
  extraParameters: { access_type: "offline", prompt: "consent" },
};

/** Microsoft's for personal, work and school accounts; it has no place to give tokens back. */
export const MICROSOFT: OAuthService = {
  issuer: "https://login.microsoftonline.com/common/v2.0",
  authorizationUrl: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
  tokenUrl: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
  scope: "https://outlook.office.com/SMTP.Send offline_access",
  redirectHost: "localhost",
};

/** Finds the provider that goes with a mail server. */
export function findOAuthService(host: string): OAuthService | null {
  if (/(?:^|\.)(?:gmail|googlemail|google)\.com$/i.test(host)) return GOOGLE;
  if (/(?:^|\.)(?:outlook|office365|office|hotmail)\.com$/i.test(host)) return MICROSOFT;
  return null;
}
