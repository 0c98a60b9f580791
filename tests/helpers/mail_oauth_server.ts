/**
 * A small real OAuth server for tests: consent page, code exchange with PKCE, renewal, expiry and revocation.
 *
 * Speaks HTTPS as the providers do. Strict where a client could be careless: a code works once, for its own client,
 * redirect and verifier.
 * @module
 */
import type { OAuthService, OAuthSettings } from "../../lib/mail/oauth_service.ts";
import { sharedAuthority } from "./mail_server.ts";

/** What a consent granted. */
interface Grant {
  readonly user: string;
  readonly redirectUri: string;
  readonly challenge: string;
}

/** A running server. */
export class TestOAuthServer implements AsyncDisposable {
  /** Its addresses, as a client is told. */
  readonly service: OAuthService;
  /** What a client needs in all. */
  readonly settings: OAuthSettings & { readonly caPem: string };
  /** Seconds that an access token lasts from now on. */
  lifetimeSeconds = 3600;
  /** Whether each renewal gives a new refresh token and ends the old one. */
  rotates = false;
  /** Called before a renewal is answered. */
  onRenewal: () => Promise<void> = () => Promise.resolve();
  /** Every request to the token place, as `authorization_code` or `refresh_token`. */
  readonly grantTypes: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #codes = new Map<string, Grant>();
  readonly #refreshTokens = new Map<string, string>(); // token → user
  readonly #accessTokens = new Map<string, { user: string; endsAt: number }>();

  private constructor(certificate: { cert: string; key: string }, caPem: string) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, ...certificate, onListen() {} },
      (request) => this.#answer(request),
    );
    const origin = `https://localhost:${this.#server.addr.port}`;
    this.service = {
      issuer: origin,
      authorizationUrl: `${origin}/consent`,
      tokenUrl: `${origin}/token`,
      revocationUrl: `${origin}/revoke`,
      scope: "mail",
      redirectHost: "127.0.0.1",
    };
    this.settings = { service: this.service, clientId: "our-client", clientSecret: "client-secret", caPem };
  }

  /** Starts a server on 127.0.0.1. */
  static async start(): Promise<TestOAuthServer> {
    const authority = await sharedAuthority();
    return new TestOAuthServer(await authority.issue("localhost"), authority.caPem);
  }

  /** Whether a mail server should take an access token. */
  isGood(user: string, accessToken: string): boolean {
    const known = this.#accessTokens.get(accessToken);
    return known !== undefined && known.user === user && known.endsAt > Date.now();
  }

  /** What the person does in the browser: opens the link, says yes or no, and is sent back. */
  async visit(link: string, decision: "allow" | "deny" = "allow"): Promise<URL> {
    using client = Deno.createHttpClient({ caCerts: [this.settings.caPem] });
    const url = new URL(link);
    url.searchParams.set("decision", decision);
    const response = await fetch(url, { client, redirect: "manual" });
    await response.body?.cancel();
    const back = response.headers.get("location");
    if (back === null) throw new Error(`the consent page answered ${response.status}`);
    return new URL(back);
  }

  /** Ends every consent, as a person does in the provider's settings. */
  revokeAll(): void {
    this.#refreshTokens.clear();
    this.#accessTokens.clear();
  }

  /** Ends every access token before its time, as a provider may. */
  expireAccessTokens(): void {
    this.#accessTokens.clear();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/consent" && request.method === "GET") return this.#consent(url.searchParams);
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const form = new URLSearchParams(await request.text());
    if (form.get("client_id") !== "our-client" || form.get("client_secret") !== "client-secret") {
      return refuse("invalid_client", 401);
    }
    if (url.pathname === "/token") return await this.#token(form);
    if (url.pathname === "/revoke") {
      this.#refreshTokens.delete(form.get("token") ?? "");
      this.#accessTokens.clear();
      return new Response(null, { status: 200 });
    }
    return new Response(null, { status: 404 });
  }

  #consent(asked: URLSearchParams): Response {
    const redirectUri = asked.get("redirect_uri") ?? "";
    const challenge = asked.get("code_challenge") ?? "";
    const isSound = asked.get("response_type") === "code" && asked.get("client_id") === "our-client" &&
      asked.get("code_challenge_method") === "S256" && /^[\w-]{43}$/.test(challenge) &&
      asked.get("scope") === "mail" && (asked.get("state") ?? "").length >= 32 &&
      /^http:\/\/127\.0\.0\.1:\d+\/$/.test(redirectUri);
    if (!isSound) return new Response("bad request", { status: 400 });
    const back = new URL(redirectUri);
    back.searchParams.set("state", asked.get("state") ?? "");
    back.searchParams.set("iss", this.service.issuer);
    if (asked.get("decision") === "deny") {
      back.searchParams.set("error", "access_denied");
    } else {
      const code = crypto.randomUUID();
      this.#codes.set(code, { user: asked.get("login_hint") ?? "", redirectUri, challenge });
      back.searchParams.set("code", code);
    }
    return new Response(null, { status: 302, headers: { location: back.href } });
  }

  async #token(form: URLSearchParams): Promise<Response> {
    const grantType = form.get("grant_type") ?? "";
    this.grantTypes.push(grantType);
    if (grantType === "authorization_code") {
      const code = form.get("code") ?? "";
      const grant = this.#codes.get(code);
      this.#codes.delete(code); // once, whatever comes
      const challenge = await hash(form.get("code_verifier") ?? "");
      if (grant?.redirectUri !== form.get("redirect_uri") || grant?.challenge !== challenge) {
        return refuse("invalid_grant");
      }
      return this.#give(grant.user);
    }
    await this.onRenewal();
    const refreshToken = form.get("refresh_token") ?? "";
    const user = this.#refreshTokens.get(refreshToken);
    if (grantType !== "refresh_token" || user === undefined) return refuse("invalid_grant");
    if (!this.rotates) return this.#give(user, refreshToken);
    this.#refreshTokens.delete(refreshToken);
    return this.#give(user);
  }

  #give(user: string, refreshToken: string = `refresh-${crypto.randomUUID()}`): Response {
    const accessToken = `access-${crypto.randomUUID()}`;
    this.#refreshTokens.set(refreshToken, user);
    this.#accessTokens.set(accessToken, { user, endsAt: Date.now() + this.lifetimeSeconds * 1000 });
    return Response.json({
      access_token: accessToken,
      token_type: "Bearer",
      expires_in: this.lifetimeSeconds,
      refresh_token: refreshToken,
    });
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function refuse(error: string, status = 400): Response {
  return Response.json({ error, error_description: `refused: ${error}` }, { status });
}

async function hash(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return new Uint8Array(digest).toBase64({ alphabet: "base64url", omitPadding: true });
}
