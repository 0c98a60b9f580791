// One SMTP dialogue with a mail server, always encrypted, from connecting to its answer.
// nodemailer speaks SMTP; this file decides how it may (TLS or STARTTLS required, certificates verified), says how
// far it is, marks the moment after which a broken connection leaves a mail in doubt, and explains what went wrong.
import { Readable } from "node:stream";
import SmtpConnection from "nodemailer/lib/smtp-connection";
import XOAuth2 from "nodemailer/lib/xoauth2";
import { messageOf } from "../../errors.ts";
import { within } from "../../waiting.ts";
import { MailError } from "../mail_error.ts";
import { explainFailure, explainFault, type RefusalContext } from "./refusals.ts";
import type { SendStage, SmtpFailure } from "./replies.ts";
import type { Acceptance, Submission, SubmissionOptions, SubmissionTarget } from "../submission.ts";

/** Name lookup, TCP and TLS together, milliseconds: longer than a slow link needs, shorter than patience. */
const CONNECT_TIMEOUT_MS = 20_000;
const GREETING_TIMEOUT_MS = 30_000; // the server's first line, milliseconds; some wait on purpose to catch spammers
/** Silence while a command is out, milliseconds (RFC 5321 §4.5.3.2 asks for 2 to 10 minutes). */
const SILENCE_TIMEOUT_MS = 5 * 60_000;

const SHORTEST_SECRET = 4; // shorter than this a "secret" would blot out ordinary words
const GOODBYE_TIMEOUT_MS = 1_000; // how long the answer to a goodbye is waited for, milliseconds
const READ_AHEAD_BYTES = 16 * 1024; // bytes read ahead of the connection: few, so that progress tells the truth

export async function submitMail(
  target: SubmissionTarget,
  mail: Submission,
  options: SubmissionOptions = {},
): Promise<Acceptance> {
  await using dialogue = new SmtpDialogue(target, mail.sizeBytes, options);
  await dialogue.begin();
  return await dialogue.send(mail);
}

/** Connects and signs in, and sends nothing: the quick half of a test. */
export async function checkSignIn(target: SubmissionTarget, options: SubmissionOptions = {}): Promise<void> {
  await using dialogue = new SmtpDialogue(target, undefined, options);
  await dialogue.begin();
}

class SmtpDialogue implements AsyncDisposable {
  readonly #connection: SmtpConnection;
  readonly #context: RefusalContext;
  readonly #options: SubmissionOptions;
  readonly #target: SubmissionTarget;
  readonly #secrets: string[] = [];
  readonly #broken = Promise.withResolvers<never>();
  readonly #closed: Promise<void>;
  #stage: SendStage = "connect";
  #isAtEase = false; // true while no command is out and nothing has gone wrong
  #isHandedOver = false; // true from just before the last byte until the server's answer

  constructor(target: SubmissionTarget, sizeBytes: number | undefined, options: SubmissionOptions) {
    this.#target = target;
    this.#options = options;
    const { endpoint, credentials } = target;
    this.#context = { ...endpoint, signIn: credentials.kind, address: target.address, sizeBytes };
    this.#connection = new SmtpConnection({
      host: endpoint.host,
      port: endpoint.port,
      secure: endpoint.security === "tls",
      requireTLS: endpoint.security === "starttls",
      tls: {
        rejectUnauthorized: true,
        minVersion: "TLSv1.2",
        ...(endpoint.caPem === undefined ? {} : { ca: endpoint.caPem }),
      },
      // Tells the server nothing of this machine's name; submission servers do not look at it (RFC 6409 §3).
      name: "[127.0.0.1]",
      allowInternalNetworkInterfaces: true,
      connectionTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      dnsTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      greetingTimeout: GREETING_TIMEOUT_MS,
      socketTimeout: options.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS,
      socketCloseTimeout: 500,
      logger: false,
    });
    this.#broken.promise.catch(() => {});
    this.#connection.on("error", (error) => this.#broken.reject(error));
    this.#closed = new Promise((resolve) => this.#connection.once("end", resolve));
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  async begin(): Promise<void> {
    if (this.#options.signal?.aborted) this.#abort();
    await this.#step<void>("connect", (done) => this.#connection.connect((error) => done(error ?? null)));
    const { credentials } = this.#target;
    if (credentials.kind === "none") return;
    if (credentials.kind === "password") {
      this.#keepSecret(credentials.password);
      const { user, password } = credentials;
      const auth = { user, credentials: { user, pass: password } };
      await this.#step<unknown>("sign_in", (done) => this.#connection.login(auth, done));
      return;
    }
    let tokenError: unknown;
    const oauth2 = new XOAuth2({
      user: credentials.user,
      provisionCallback: (_user, renew, callback) => {
        credentials.getAccessToken(renew).then((token) => {
          this.#keepSecret(token);
          callback(null, token);
        }, (error) => {
          tokenError = error;
          callback(new Error("no access token"));
        });
      },
    });
    try {
      const auth = { user: credentials.user, method: "XOAUTH2", oauth2 };
      await this.#step<unknown>("sign_in", (done) => this.#connection.login(auth, done));
    } catch (error) {
      throw tokenError ?? error;
    }
  }

  #keepSecret(secret: string): void {
    if (secret.length >= SHORTEST_SECRET) this.#secrets.push(secret);
  }

  async send(mail: Submission): Promise<Acceptance> {
    const envelope = { from: mail.envelope.from, to: [...mail.envelope.to], size: mail.sizeBytes };
    const body = Readable.from(this.#watch(mail), { objectMode: false, highWaterMark: READ_AHEAD_BYTES });
    const info = await this.#step<Taken>("sender", (done) => this.#connection.send(envelope, body, done))
      .finally(() => body.destroy());
    return {
      reply: hideSecrets(info.response.replace(/\s*\r?\n/g, " "), this.#secrets),
      accepted: info.accepted,
      refused: (info.rejectedErrors ?? []).map((failure) =>
        this.#explain(failure, "recipient", failure.recipient)
      ),
    };
  }

  /** The mail's bytes, counted, with the mark before the end. Nothing is read before the server asks for it. */
  async *#watch(mail: Submission): AsyncGenerator<Uint8Array> {
    let sentBytes = 0;
    for await (const chunk of mail.open() as AsyncIterable<Uint8Array>) {
      yield chunk;
      sentBytes += chunk.length;
      this.#options.onProgress?.(sentBytes, mail.sizeBytes);
    }
    await this.#options.beforeLastByte?.();
    this.#isHandedOver = true;
  }

  async #step<Result>(
    stage: SendStage,
    run: (done: (error: Error | null, result?: Result) => void) => void,
  ): Promise<Result> {
    this.#stage = stage;
    this.#isAtEase = false;
    try {
      const finished = new Promise<Result>((resolve, reject) => {
        run((error, result) => error ? reject(error) : resolve(result as Result));
      });
      const result = await Promise.race([finished, this.#broken.promise]);
      this.#isAtEase = true;
      return result;
    } catch (error) {
      if (error instanceof MailError) throw error;
      throw this.#explain(error as FailedStep, stageOf(error, this.#stage));
    }
  }

  #explain(failure: FailedStep, stage: SendStage, recipient?: string): MailError {
    const { code, originalCode, response } = failure;
    const message = hideSecrets(wordsOf(failure), this.#secrets);
    if (this.#isHandedOver && response === undefined && stage !== "recipient") {
      return explainFault("in_doubt", this.#context, { serverWords: message });
    }
    const said = response === undefined ? {} : { response: hideSecrets(response, this.#secrets) };
    const everyone = stage === "recipient" ? failure.rejected : undefined;
    const recipients = recipient === undefined ? everyone : [recipient];
    return explainFailure({ message, code, originalCode, ...said }, stage, this.#context, recipients);
  }

  readonly #abort = () => {
    this.#broken.reject(Object.assign(new Error("given up"), { code: "EABORT" }));
    this.#connection.close();
  };

  /** Says goodbye where there is still somebody to say it to (RFC 5321 §4.1.1.10). */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    if (this.#isAtEase) {
      this.#connection.quit();
      await within(GOODBYE_TIMEOUT_MS, this.#closed);
    }
    this.#connection.close();
    await this.#closed;
  }
}

/** Where all of a host's addresses failed, Node gives one error without words that holds theirs. */
function wordsOf(failure: unknown): string {
  const tried = failure instanceof AggregateError ? failure.errors : [];
  return messageOf(failure) || tried.map(messageOf).join("; ");
}

interface Taken {
  readonly response: string;
  readonly accepted: string[];
  readonly rejectedErrors?: FailedStep[] | undefined;
}

/** A failure as nodemailer tells it: of one recipient, or of a step with all recipients that it was about. */
interface FailedStep extends SmtpFailure {
  readonly recipient?: string | undefined;
  readonly rejected?: string[] | undefined;
}

/** The command that failed tells the stage better than our own count. */
function stageOf(error: unknown, otherwise: SendStage): SendStage {
  const command = (error as { command?: string }).command ?? "";
  if (command.startsWith("AUTH")) return "sign_in";
  if (command === "RCPT TO") return "recipient";
  if (command === "DATA") return "content";
  if (command === "MAIL FROM") return "sender";
  return otherwise === "sender" ? "content" : otherwise;
}

/** Replaces every secret in a text, as it is and as SASL encodes it. */
function hideSecrets(text: string, secrets: readonly string[]): string {
  let hidden = text;
  for (const secret of secrets) hidden = hidden.replaceAll(secret, "[hidden]");
  // A server that repeats an AUTH line does so in base64, where the secret may start at any of three offsets.
  return hidden.replace(/[A-Za-z0-9+/]{8,}={0,2}/g, (word) => holdsSecret(word, secrets) ? "[hidden]" : word);
}

function holdsSecret(word: string, secrets: readonly string[]): boolean {
  let decoded: string;
  try {
    decoded = new TextDecoder().decode(Uint8Array.fromBase64(word));
  } catch {
    return false;
  }
  return secrets.some((secret) => decoded.includes(secret));
}
