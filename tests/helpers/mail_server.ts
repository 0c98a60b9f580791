/**
 * A real SMTP server for tests, in process, that keeps what it is given and can refuse in Gmail's own words.
 * @module
 */
import { Buffer } from "node:buffer";
import type { AddressInfo } from "node:net";
import { simpleParser } from "mailparser";
import { SMTPServer, type SMTPServerAuthentication, type SMTPServerSession } from "smtp-server";
import type { SmtpEndpoint } from "../../lib/mail/providers.ts";
import { makeAuthority, type TestAuthority } from "./mail_certificates.ts";

/** What the server says in place of yes: whole replies, code and all, lines separated by LF. */
export interface Refusals {
  /** To the connection itself. */
  connect?: string;
  /** To a sign-in. */
  signIn?: string;
  /** To `MAIL FROM`. */
  sender?: string;
  /** To `RCPT TO`, by address. */
  recipients?: Record<string, string>;
  /** To the mail, once it is all there. */
  content?: string;
}

/** A mail taken apart by mailparser, as far as tests look at it. */
export interface ParsedMail {
  readonly from: ParsedAddresses;
  readonly to: ParsedAddresses;
  readonly cc?: ParsedAddresses;
  readonly subject?: string;
  readonly text?: string;
  readonly messageId: string;
  readonly date: Date;
  readonly headers: ReadonlyMap<string, unknown>;
  readonly attachments: readonly {
    readonly filename: string;
    readonly contentType: string;
    readonly content: Uint8Array;
  }[];
}

/** One address header. */
export interface ParsedAddresses {
  readonly value: readonly { readonly name: string; readonly address: string }[];
}

/** One mail that arrived. */
export interface ReceivedMail {
  /** What the server was told. */
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
  /** Who had signed in; empty when nobody. */
  readonly user: string;
  /** The bytes. */
  readonly raw: Uint8Array;
  /** Whether the connection was encrypted. */
  readonly isEncrypted: boolean;
  /** Takes it apart. */
  parse(): Promise<ParsedMail>;
}

/** How a server is set up. */
export interface MailServerOptions {
  /** TLS from the first byte, STARTTLS (by default), or no encryption at all. */
  readonly security?: "tls" | "starttls" | "plain";
  /** Ways of signing in that are offered; PLAIN, LOGIN and XOAUTH2 by default. */
  readonly authMethods?: readonly string[];
  /** The right password of each user. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** Says whether an access token is good. */
  readonly checkToken?: (user: string, token: string) => boolean | Promise<boolean>;
  /** Refuses a token without the challenge that Gmail sends first. */
  readonly refusesTokensAtOnce?: boolean;
  /** Largest mail in bytes, announced and enforced; Gmail's 35,882,577 by default. */
  readonly sizeLimit?: number;
  /** Host names in its certificate; `localhost` and `127.0.0.1` by default. */
  readonly hosts?: readonly string[];
  /** Port to listen on; one that the system picks by default. */
  readonly port?: number;
  /** Called with each mail before the answer; `cut` breaks the connection in its place. */
  readonly onMail?: (mail: ReceivedMail, cut: () => void) => void | Promise<void>;
}

/** A running server. */
export class TestMailServer implements AsyncDisposable {
  /** Where it listens, and the CA to trust. */
  readonly endpoint: SmtpEndpoint & { readonly caPem: string };
  /** What arrived and was taken, in order. */
  readonly mails: ReceivedMail[] = [];
  /** Every sign-in that was tried, as `PLAIN ann`; no secret. */
  readonly signIns: string[] = [];
  /** What it refuses from now on. */
  refusals: Refusals = {};
  readonly #server: SMTPServer;
  readonly #options: MailServerOptions;

  private constructor(options: MailServerOptions, server: SMTPServer, caPem: string) {
    this.#server = server;
    this.#options = options;
    const { port } = server.server.address() as AddressInfo;
    const security = options.security === "tls" ? "tls" : "starttls";
    this.endpoint = { host: "localhost", port, security, caPem };
  }

  /** Starts a server on 127.0.0.1. */
  static async start(options: MailServerOptions = {}): Promise<TestMailServer> {
    const authority = await sharedAuthority();
    const isPlain = options.security === "plain";
    const server = new SMTPServer({
      ...await authority.issue(...options.hosts ?? ["localhost", "127.0.0.1"]),
      secure: options.security === "tls",
      hideSTARTTLS: isPlain,
      disabledCommands: isPlain ? ["STARTTLS"] : [],
      authMethods: [...options.authMethods ?? ["PLAIN", "LOGIN", "XOAUTH2"]],
      authOptional: true,
      size: options.sizeLimit ?? 35_882_577,
      rejectOversized: true,
      disableReverseLookup: true,
      closeTimeout: 100,
      logger: false,
    });
    server.on("error", () => {}); // clients that break a handshake on purpose
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
    const self = new TestMailServer(options, server, authority.caPem);
    self.#answer();
    return self;
  }

  #answer(): void {
    const server = this.#server;
    server.onConnect = (_session, done) => done(refuse(this.refusals.connect));
    server.onMailFrom = (_address, _session, done) => done(refuse(this.refusals.sender));
    server.onRcptTo = (address, _session, done) => done(refuse(this.refusals.recipients?.[address.address]));
    server.onAuth = (auth, _session, done) => {
      this.signIns.push(`${auth.method} ${auth.username}`);
      this.#signIn(auth).then((refusal) => {
        if (refusal === undefined) return done(null, { user: auth.username });
        if (auth.method !== "XOAUTH2" || this.#options.refusesTokensAtOnce) return done(refuse(refusal));
        // As Gmail does: first a challenge that tells why, then, after an empty line, the refusal.
        const data = { status: "401", schemes: "bearer mail", scope: "https://mail.google.com/" };
        done(null, { data, responseCode: 535, message: refusal.slice(4).replaceAll("\n", " ") });
      }, done);
    };
    server.onData = (stream, session, done) => {
      const chunks: Uint8Array[] = [];
      stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      stream.on("end", async () => {
        const refusal = refuse(this.refusals.content);
        if (refusal !== null) return done(refusal);
        const mail = describe(session, Buffer.concat(chunks));
        let isCut = false;
        await this.#options.onMail?.(mail, () => {
          isCut = true;
          this.cutAll();
        });
        if (isCut) return;
        this.mails.push(mail);
        done(null, `2.0.0 OK ${this.mails.length} queued`);
      });
    };
  }

  async #signIn(auth: SMTPServerAuthentication): Promise<string | undefined> {
    if (this.refusals.signIn !== undefined) return this.refusals.signIn;
    const user = auth.username ?? "";
    const isRight = auth.method === "XOAUTH2"
      ? await this.#options.checkToken?.(user, auth.accessToken ?? "") ?? false
      : auth.password === this.#options.passwords?.[user];
    return isRight ? undefined : GMAIL.badCredentials;
  }

  /** Breaks every connection without a word. */
  cutAll(): void {
    for (const connection of this.#server.connections) connection._socket.destroy();
  }

  /** Stops listening and breaks what is still connected. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(resolve));
    this.cutAll();
    await closed;
  }
}

let authority: Promise<TestAuthority> | undefined;

/** The CA of this run: making one for each server would only cost time. */
export function sharedAuthority(): Promise<TestAuthority> {
  return authority ??= makeAuthority();
}

/** smtp-server takes a code and lines from an error; several lines make a reply such as Gmail's. */
function refuse(reply: string | undefined): Error | null {
  if (reply === undefined) return null;
  const lines = reply.split("\n").map((line) => line.slice(4));
  return Object.assign(new Error(), { responseCode: Number(reply.slice(0, 3)), message: lines });
}

function describe(session: SMTPServerSession, raw: Uint8Array): ReceivedMail {
  const { mailFrom, rcptTo } = session.envelope;
  return {
    envelope: { from: mailFrom ? mailFrom.address : "", to: rcptTo.map((item) => item.address) },
    user: typeof session.user === "string" ? session.user : "",
    raw,
    isEncrypted: session.secure,
    parse: () => simpleParser(Buffer.from(raw)),
  };
}

/** Refusals as Gmail words them. */
export const GMAIL = {
  appPassword:
    "534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor d9443c01a7336-2a - gsmtp",
  badCredentials:
    "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials d9443c01a7336-2b - gsmtp",
  webLogin:
    "534-5.7.14 <https://accounts.google.com/signin/continue?sarp=1&scc=1> Please log in\n534-5.7.14 via your web browser and then try again.\n534-5.7.14  Learn more at\n534 5.7.14  https://support.google.com/mail/?p=WebLoginRequired d9443c01a7336-2c - gsmtp",
  tooManyLogins: "454 4.7.0 Too many login attempts, please try again later. d9443c01a7336-2d - gsmtp",
  tryLater: "421 4.7.0 Try again later, closing connection. (EHLO) d9443c01a7336-2e - gsmtp",
  systemProblem: "421 4.3.0 Temporary System Problem.  Try again later (10). d9443c01a7336-2f - gsmtp",
  tooQuickly:
    "450-4.2.1 The user you are trying to contact is receiving mail too quickly.\n450-4.2.1 Please resend your message at a later time. For more information, go to\n450 4.2.1  https://support.google.com/mail/?p=ReceivingRate d9443c01a7336-30 - gsmtp",
  overQuota:
    "452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n452-4.2.2 recipient to\n452 4.2.2  https://support.google.com/mail/?p=OverQuotaTemp d9443c01a7336-31 - gsmtp",
  noSuchUser:
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 double-checking the recipient's email address for typos or\n550-5.1.1 unnecessary spaces. For more information, go to\n550 5.1.1  https://support.google.com/mail/?p=NoSuchUser d9443c01a7336-32 - gsmtp",
  dailyLimit:
    "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n550-5.4.5 sending limits go to\n550 5.4.5  https://support.google.com/a/answer/166852 d9443c01a7336-33 - gsmtp",
  tooLarge:
    "552-5.2.3 Your message exceeded Google's message size limits. For more information,\n552-5.2.3 visit\n552 5.2.3  https://support.google.com/mail/?p=MaxSizeError d9443c01a7336-34 - gsmtp",
  blockedContent:
    "552-5.7.0 This message was blocked because its content presents a potential\n552-5.7.0 security issue. Please visit\n552 5.7.0  https://support.google.com/mail/?p=BlockedMessage d9443c01a7336-35 - gsmtp",
  malformed: "554 5.6.0 Mail message is malformed. Not accepted. d9443c01a7336-36 - gsmtp",
} as const;

/** Refusals of others, as they word them. */
export const OTHERS = {
  outlookBasic:
    "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [AM0PR01CA0001.eurprd01.prod.exchangelabs.com]",
  postgrey:
    "450 4.2.0 <bob@example.org>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.org.html",
  greylist: "451 4.7.1 Greylisting in action, please come back later",
  postfixUnknown:
    "550 5.1.1 <bob@example.org>: Recipient address rejected: User unknown in local recipient table",
  senderRefused: "553 5.7.1 <ann@example.org>: Sender address rejected: not owned by user ann",
  spam: "554 5.7.1 Message refused as spam by the content filter",
  signInFirst: "530 5.7.0 Authentication Required. For more information, go to the help page",
} as const;
