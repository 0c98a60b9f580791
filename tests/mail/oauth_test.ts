import assert from "node:assert/strict";
import { Readable } from "node:stream";
import type { MailAccount } from "../../lib/mail/account.ts";
import { LoopbackRedirect, readPastedAnswer } from "../../lib/mail/oauth_redirect.ts";
import { Mailer } from "../../lib/mail/mailer.ts";
import type { MailError } from "../../lib/mail/mail_error.ts";
import { beginConsent, finishConsent, renewTokens, revokeTokens, TokenSource } from "../../lib/mail/oauth.ts";
import { findOAuthService, GOOGLE, type OAuthTokens } from "../../lib/mail/oauth_service.ts";
import { MemoryMailStore } from "../helpers/mail_memory_store.ts";
import { TestOAuthServer } from "../helpers/mail_oauth_server.ts";
import { TestMailServer } from "../helpers/mail_server.ts";

const ANN = "ann@example.org";

async function faultOf(work: Promise<unknown>): Promise<MailError> {
  const error = await work.then(() => null, (reason) => reason);
  assert.equal(error?.name, "MailError", `not refused: ${error}`);
  return error;
}

/** Consents by way of the loopback redirect, as a browser does. */
async function consent(server: TestOAuthServer, decision: "allow" | "deny" = "allow"): Promise<OAuthTokens> {
  await using redirect = new LoopbackRedirect();
  const pending = await beginConsent(server.settings, redirect.redirectUri, ANN);
  const answer = redirect.waitFor(pending);
  const page = await fetch(await server.visit(pending.url, decision));
  assert.equal(page.status, 200);
  assert.match(await page.text(), decision === "allow" ? /You are signed in/ : /declined/);
  return await finishConsent(server.settings, pending, await answer);
}

Deno.test("beginConsent() asks Google for mail, offline, with PKCE and a fresh state", async () => {
  const settings = { service: GOOGLE, clientId: "id.apps.googleusercontent.com" };
  const first = await beginConsent(settings, "http://127.0.0.1:1234/", ANN);
  const second = await beginConsent(settings, "http://127.0.0.1:1234/", ANN);
  const asked = new URL(first.url).searchParams;
  assert.ok(first.url.startsWith("https://accounts.google.com/o/oauth2/v2/auth?"));
  assert.equal(asked.get("scope"), "https://mail.google.com/");
  assert.equal(asked.get("code_challenge_method"), "S256");
  assert.equal(asked.get("access_type"), "offline");
  assert.equal(asked.get("login_hint"), ANN);
  assert.ok(!first.url.includes(first.codeVerifier));
  assert.notEqual(first.state, second.state);
  assert.equal(findOAuthService("smtp.gmail.com")?.tokenUrl, "https://oauth2.googleapis.com/token");
  assert.equal(findOAuthService("smtp-mail.outlook.com")?.redirectHost, "localhost");
  assert.equal(findOAuthService("smtp.fastmail.com"), null);
  assert.equal(findOAuthService("evilgmail.com"), null);
});

Deno.test("consent by the loopback redirect gives tokens that the mail server takes", async () => {
  await using server = await TestOAuthServer.start();
  const tokens = await consent(server);
  assert.ok(server.isGood(ANN, tokens.accessToken));
  assert.ok(tokens.accessTokenExpiresAt > Date.now() + 3_000_000);
});

Deno.test("consent that is declined says so", async () => {
  await using server = await TestOAuthServer.start();
  const error = await faultOf(consent(server, "deny"));
  assert.equal(error.fault, "consent_denied");
  assert.match(error.serverWords ?? "", /access_denied/);
});

Deno.test("LoopbackRedirect refuses another state and another path, and goes on waiting", async () => {
  await using server = await TestOAuthServer.start();
  await using redirect = new LoopbackRedirect();
  const early = await fetch(`${redirect.redirectUri}?code=x&state=y`);
  assert.equal(early.status, 400);
  const pending = await beginConsent(server.settings, redirect.redirectUri, ANN);
  const answer = redirect.waitFor(pending);
  const forged = await fetch(`${redirect.redirectUri}?code=evil&state=${"a".repeat(43)}`);
  const elsewhere = await fetch(`${redirect.redirectUri}favicon.ico`);
  assert.deepEqual([forged.status, elsewhere.status], [400, 404]);
  for (const page of [early, forged, elsewhere]) await page.body?.cancel();
  const right = await fetch(await server.visit(pending.url));
  await right.body?.cancel();
  assert.equal((await answer).searchParams.get("state"), pending.state);
});

Deno.test("finishConsent() refuses another state, another issuer, and a code used twice", async () => {
  await using server = await TestOAuthServer.start();
  const pending = await beginConsent(server.settings, "http://127.0.0.1:1/", ANN);
  const answer = await server.visit(pending.url);
  const otherState = new URL(answer);
  otherState.searchParams.set("state", "x".repeat(43));
  assert.equal((await faultOf(finishConsent(server.settings, pending, otherState))).fault, "consent_failed");
  const otherIssuer = new URL(answer);
  otherIssuer.searchParams.set("iss", "https://evil.example");
  assert.equal((await faultOf(finishConsent(server.settings, pending, otherIssuer))).fault, "consent_failed");
  const stolen = { ...pending, codeVerifier: "x".repeat(43) };
  assert.equal((await faultOf(finishConsent(server.settings, stolen, answer))).fault, "token_refused");
  assert.equal((await faultOf(finishConsent(server.settings, pending, answer))).fault, "token_refused");
});

Deno.test("readPastedAnswer() takes the final address, or what follows its question mark", async () => {
  await using server = await TestOAuthServer.start();
  const pending = await beginConsent(server.settings, "http://127.0.0.1:1/", ANN);
  const answer = await server.visit(pending.url);
  const pasted = readPastedAnswer(`  ${answer.href}\n`, pending);
  assert.ok(pasted instanceof URL);
  assert.ok(readPastedAnswer(answer.search, pending) instanceof URL);
  assert.match(String(readPastedAnswer("http://127.0.0.1:1/", pending)), /no code in that address/);
  assert.match(String(readPastedAnswer("http://127.0.0.1:1/?code=x&state=y", pending)), /another sign-in/);
  const tokens = await finishConsent(server.settings, pending, pasted);
  assert.ok(server.isGood(ANN, tokens.accessToken));
});

Deno.test("renewTokens() and revokeTokens() do, and an ended consent says to sign in again", async () => {
  await using server = await TestOAuthServer.start();
  const tokens = await consent(server);
  const renewed = await renewTokens(server.settings, tokens.refreshToken);
  assert.notEqual(renewed.accessToken, tokens.accessToken);
  assert.equal(renewed.refreshToken, tokens.refreshToken);
  assert.equal(await revokeTokens(server.settings, renewed), true);
  const error = await faultOf(renewTokens(server.settings, tokens.refreshToken));
  assert.equal(error.fault, "token_refused");
  assert.match(error.message, /run "email setup" to sign in again/);
  const everything = Deno.inspect(error, { depth: 10 }) + error.stack;
  assert.ok(!everything.includes(tokens.refreshToken) && !everything.includes("client-secret"));
});

Deno.test("renewTokens() tells a wrong client, a wrong certificate and no network apart", async () => {
  await using server = await TestOAuthServer.start();
  const { caPem: _ca, ...untrusted } = server.settings;
  assert.equal(
    (await faultOf(renewTokens({ ...server.settings, clientSecret: "wrong" }, "x"))).fault,
    "oauth_client_wrong",
  );
  assert.equal((await faultOf(renewTokens(untrusted, "x"))).fault, "certificate");
  const service = { ...server.service, tokenUrl: "https://localhost:1/token" };
  const offline = await faultOf(renewTokens({ ...server.settings, service }, "x"));
  assert.equal(offline.fault, "no_network");
  assert.equal(offline.isTemporary, true);
});

Deno.test("TokenSource renews once for many askers, early, and keeps what it got", async () => {
  await using server = await TestOAuthServer.start();
  let kept = await consent(server);
  let now = Date.now();
  const source = new TokenSource(server.settings, {
    load: () => Promise.resolve(kept),
    save: (tokens) => Promise.resolve(void (kept = tokens)),
    now: () => now,
  });
  assert.equal(await source.getAccessToken(false), kept.accessToken);
  now += 3_600_000 - 59_000;
  const before = server.grantTypes.length;
  const given = await Promise.all([1, 2, 3].map(() => source.getAccessToken(false)));
  assert.equal(server.grantTypes.length, before + 1);
  assert.deepEqual(new Set(given), new Set([kept.accessToken]));
});

Deno.test("TokenSource uses the refresh token that another process has just got", async () => {
  await using server = await TestOAuthServer.start();
  server.rotates = true;
  const old = await consent(server);
  const fresh = await renewTokens(server.settings, old.refreshToken);
  let loads = 0;
  const source = new TokenSource(server.settings, {
    load: () => Promise.resolve(loads++ === 0 ? { ...old, accessTokenExpiresAt: 0 } : fresh),
    save: () => Promise.resolve(),
  });
  assert.ok(server.isGood(ANN, await source.getAccessToken(false)));
});

for (const refusesTokensAtOnce of [false, true]) {
  const manner = refusesTokensAtOnce ? "refused at once" : "challenged as by Gmail";
  Deno.test(`Mailer renews a token that is ${manner}, keeps the new one, and tells a revoked consent`, async () => {
    await using oauth = await TestOAuthServer.start();
    await using smtp = await TestMailServer.start({
      security: "tls",
      refusesTokensAtOnce,
      checkToken: (user, token) => oauth.isGood(user, token),
    });
    const store = new MemoryMailStore();
    const signIn = {
      kind: "oauth2" as const,
      user: ANN,
      settings: oauth.settings,
      tokens: await consent(oauth),
    };
    const account: MailAccount = { id: "a", address: ANN, name: "", endpoint: smtp.endpoint, signIn };
    await store.saveMailAccount(account);
    const mailer = new Mailer({ accounts: store });
    const open = () => Readable.from([new TextEncoder().encode("Subject: x\r\n\r\n")]);
    const mail = { envelope: { from: ANN, to: [ANN] }, sizeBytes: 14, open };
    await mailer.submit("a", mail);
    assert.deepEqual(oauth.grantTypes, ["authorization_code"]);

    oauth.expireAccessTokens(); // our clock still thinks it good: only the mail server knows better
    await mailer.submit("a", mail);
    assert.deepEqual(oauth.grantTypes, ["authorization_code", "refresh_token"]);
    const [saved] = store.accounts;
    assert.ok(
      saved?.signIn.kind === "oauth2" && saved.signIn.tokens.accessToken !== signIn.tokens.accessToken,
    );

    oauth.revokeAll();
    const error = await faultOf(mailer.submit("a", mail));
    assert.equal(error.fault, "token_refused");
    assert.match(error.message, /sign in again/);
  });
}

Deno.test("Mailer keeps what was set up while it renewed a token", async () => {
  await using oauth = await TestOAuthServer.start();
  await using smtp = await TestMailServer.start({
    security: "tls",
    checkToken: (user, token) => oauth.isGood(user, token),
  });
  const store = new MemoryMailStore();
  const expired = async () => ({ ...await consent(oauth), accessTokenExpiresAt: 0 });
  const signIn = { kind: "oauth2" as const, user: ANN, settings: oauth.settings, tokens: await expired() };
  const account: MailAccount = { id: "a", address: ANN, name: "", endpoint: smtp.endpoint, signIn };
  const mail = {
    envelope: { from: ANN, to: [ANN] },
    sizeBytes: 14,
    open: () => Readable.from([new TextEncoder().encode("Subject: x\r\n\r\n")]),
  };
  const sendWhileSetUp = async (anew: MailAccount): Promise<MailAccount | undefined> => {
    store.accounts = [account];
    oauth.onRenewal = () => store.saveMailAccount(anew);
    await new Mailer({ accounts: store }).submit("a", mail);
    return store.accounts[0];
  };

  const renamed = await sendWhileSetUp({ ...account, name: "Ännchen" });
  assert.equal(renamed?.name, "Ännchen");
  assert.ok(renamed.signIn.kind === "oauth2" && renamed.signIn.tokens.accessTokenExpiresAt > 0, "renewed");

  const withPassword: MailAccount = { ...account, signIn: { kind: "password", user: ANN, password: "new" } };
  assert.deepEqual(await sendWhileSetUp(withPassword), withPassword);

  const newConsent: MailAccount = { ...account, signIn: { ...signIn, tokens: await expired() } };
  assert.deepEqual(await sendWhileSetUp(newConsent), newConsent);
});
