// Which fault a refusal is: the rules that sort what servers answer, and the ways in which a connection breaks.
// Read from what Gmail, Outlook.com and Postfix answer. The rules are tried from the top; the last always fits.
import { isPasswordFault, type MailFault } from "../mail_error.ts";
import type { Credentials } from "../submission.ts";

export type SendStage = "connect" | "sign_in" | "sender" | "recipient" | "content";

/** The faults that a mail server can be the cause of; the others come from before it is spoken to. */
export type SmtpFault = Exclude<
  MailFault,
  "secret_missing" | "oauth_client_wrong" | "consent_denied" | "consent_failed"
>;

/** Codes are matched against `CODE ENHANCED`, such as `535 5.7.8`; where words are given too, both must match. */
type ReplyRule = [fault: SmtpFault, stages: readonly SendStage[], codes: RegExp | null, words?: RegExp];

const SIGN_IN: readonly SendStage[] = ["connect", "sign_in"];
const HAND_OVER: readonly SendStage[] = ["sender", "recipient", "content"];
const ANY: readonly SendStage[] = [...SIGN_IN, ...HAND_OVER];

const REPLY_RULES: readonly ReplyRule[] = [
  ["app_password_needed", SIGN_IN, /^5.. 5\.7\.9$/],
  ["app_password_needed", SIGN_IN, null, /application-specific|app(?:lication)? password/i],
  ["web_login_needed", SIGN_IN, /^5.. 5\.7\.14$/],
  ["web_login_needed", SIGN_IN, null, /log ?in (?:via|with|through) your web browser/i],
  ["password_login_disabled", SIGN_IN, /^5.. 5\.7\.139$/],
  ["password_login_disabled", SIGN_IN, null, /basic authentication is disabled/i],
  ["rate_limited", SIGN_IN, /^4/, /too many/i],
  ["no_common_sign_in", ["sign_in"], /^(?:504|503|502)/],
  ["wrong_password", ["sign_in"], /^5/],
  ["sign_in_needed", HAND_OVER, /^530/],
  ["greylisted", HAND_OVER, /^4/, /gr[ea]y-?list|postgrey/i],
  ["greylisted", HAND_OVER, /^45[01] 4\.7\.1$/],
  ["mailbox_full", HAND_OVER, /^\d+ [45]\.2\.2$/],
  ["mailbox_full", HAND_OVER, null, /over ?quota|(?:mailbox|inbox|storage) (?:is )?full|out of storage/i],
  ["too_large", HAND_OVER, /^\d+ [45]\.(?:3\.4|2\.3)$/],
  ["too_large", HAND_OVER, /^552/, /size|large|big/i],
  ["rate_limited", ANY, /^421 4\.7\./],
  ["rate_limited", ANY, /^\d+ (?:5\.4\.5|4\.7\.28|4\.2\.1|4\.5\.3)$/],
  ["rate_limited", ANY, null, /too (?:many|quickly|fast)|rate ?limit|limit exceeded|exceeded .*limit/i],
  ["sender_refused", ["sender"], /^5/],
  ["sender_refused", HAND_OVER, /^5.. 5\.(?:7\.60|1\.[78])$/],
  ["content_refused", ["content"], /^5.. 5\.7\./],
  ["content_refused", ["content"], /^5/, /spam|virus|blocked|policy|unsolicited|reputation/i],
  ["mailbox_unknown", ["recipient"], /^5.. 5\.1\./],
  [
    "mailbox_unknown",
    ["recipient"],
    /^55[0134]/,
    /unknown|no such|does ?n[o']t exist|not exist|not found|invalid (?:recipient|mailbox|address)|unavailable/i,
  ],
  ["server_busy", ANY, /^4/],
  ["refused", ANY, null],
];

export function classifyReply(
  reply: SmtpReply,
  stage: SendStage,
  signIn: Credentials["kind"],
): SmtpFault {
  const codes = `${reply.code} ${reply.enhanced}`;
  const fits = ([, stages, codeRule, wordRule]: ReplyRule) =>
    stages.includes(stage) && (codeRule?.test(codes) ?? true) && (wordRule?.test(reply.words) ?? true);
  const [fault] = REPLY_RULES.find(fits) ?? ["refused"];
  return signIn === "oauth2" && isPasswordFault(fault) ? "token_refused" : fault;
}

/** An error as nodemailer's SMTP connection gives it: Node's own fields and the reply, where there was one. */
export interface SmtpFailure {
  readonly message: string;
  readonly code?: string | undefined; // nodemailer's code, such as `ESOCKET`
  readonly originalCode?: string | undefined; // the system's code before it, such as `ECONNREFUSED`
  readonly response?: string | undefined; // the reply as received; absent when the connection broke
}

const NO_WAY = new Set(
  "EDNS ENOTFOUND EAI_AGAIN ENETUNREACH ENETDOWN EHOSTUNREACH EHOSTDOWN EADDRNOTAVAIL".split(" "),
);
const CERTIFICATE = /CERT|SIGNATURE|SELF_SIGNED|ISSUER|ALTNAME/;

/** Names the fault behind a connection that failed without a reply. */
export function classifyBrokenLink(failure: SmtpFailure, stage: SendStage): SmtpFault {
  const codes = [failure.code ?? "", failure.originalCode ?? ""];
  if (CERTIFICATE.test(codes.join(" ")) || /certificate/i.test(failure.message)) return "certificate";
  // Deno 2.7 tells of a certificate that it refused only as a write that failed, without a reason.
  if (stage === "connect" && failure.message === "write UNKNOWN") return "certificate";
  if (codes.some((code) => NO_WAY.has(code))) return "no_network";
  if (/Message size larger/.test(failure.message)) return "too_large";
  if (stage === "sign_in" && /Unknown authentication method/.test(failure.message)) {
    return "no_common_sign_in";
  }
  if (stage !== "connect") return "connection_lost";
  // A refusal is an answer of the host itself; a firewall keeps silent.
  if (codes.includes("ECONNREFUSED")) return "connection_refused";
  if (codes.includes("ETIMEDOUT")) return "port_blocked";
  // STARTTLS that is not offered shows itself as a refused command, TLS on a plain port as a broken handshake.
  if (codes.includes("ETLS") || /ssl|tls|wrong version|record/i.test(failure.message)) return "no_tls";
  return "connection_lost";
}

export interface SmtpReply {
  readonly code: number; // 200 to 599
  readonly enhanced: string; // enhanced status code such as `5.7.8` (RFC 3463); empty when the server gave none
  readonly words: string; // the words of all lines in one line, codes removed
}

const LINE = /^(\d{3})(?:[ -](?:(\d\.\d{1,3}\.\d{1,3})\b)?[ \t]*(.*))?$/;

export function parseReply(text: string): SmtpReply | null {
  let code = 0;
  let enhanced = "";
  const words: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const match = LINE.exec(line.trim());
    if (match === null && code === 0) return null;
    code ||= Number(match?.[1]);
    enhanced ||= match?.[2] ?? "";
    words.push(match === null ? line.trim() : (match[3] ?? "").trim());
  }
  if (code < 200 || code > 599) return null;
  return { code, enhanced, words: words.filter((part) => part !== "").join(" ") };
}
