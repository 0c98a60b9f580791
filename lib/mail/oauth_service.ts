// OAuth2 providers: where each wants the browser and the requests to go, and what consent gives.
import { isGoogle } from "./providers.ts";

export interface OAuthService {
  readonly issuer: string; // name of the issuer, compared with the answer's `iss` where there is one (RFC 9207)
  readonly authorizationUrl: string;
  readonly tokenUrl: string; // where codes and refresh tokens are exchanged
  readonly revocationUrl?: string; // where tokens are given back; unset when the provider has no such place
  readonly scope: string;
  /** Host of the loopback redirect: providers disagree on its spelling. */
  readonly redirectHost: "127.0.0.1" | "localhost";
  readonly extraParameters?: Readonly<Record<string, string>>;
}

export interface OAuthSettings {
  readonly service: OAuthService;
  readonly clientId: string;
  /** Its secret; unset for clients without one. Google gives desktop clients one, and wants it back. */
  readonly clientSecret?: string;
  readonly caPem?: string; // PEM of the only CAs trusted for the provider; unset means the built-in roots
}

export interface OAuthTokens {
  readonly refreshToken: string; // buys access tokens until it is revoked
  readonly accessToken: string;
  readonly accessTokenExpiresAt: number; // epoch milliseconds when it ends
}

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
const MICROSOFT: OAuthService = {
  issuer: "https://login.microsoftonline.com/common/v2.0",
  authorizationUrl: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
  tokenUrl: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
  scope: "https://outlook.office.com/SMTP.Send offline_access",
  redirectHost: "localhost",
};

export function findOAuthService(host: string): OAuthService | null {
  if (isGoogle(host)) return GOOGLE;
  if (/(?:^|\.)(?:outlook|office365|office|hotmail)\.com$/i.test(host)) return MICROSOFT;
  return null;
}
