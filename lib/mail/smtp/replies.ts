/**
 * Which fault a refusal is: the rules that sort what servers answer, and the ways in which a connection breaks.
 *
 * Read from what Gmail, Outlook.com and Postfix answer. The rules are tried from the top; the last always fits.
 * @module
 */
import type { MailFault } from "../mail_error.ts";

/** How far the conversation with the server had come. */
export type SendStage = "connect" | "sign_in" | "sender" | "recipient" | "content";

/** How an account signs in; decides whether a refusal is about a password or a token. */
export type SignInKind = "password" | "oauth2" | "none";

interface ReplyRule {
  readonly fault: MailFault;
  readonly stages: readonly SendStage[];
  readonly codes?: RegExp; // matched against `CODE ENHANCED`, such as `535 5.7.8`
  /** Matched against the words. With `codes` both must match. */
  readonly words?: RegExp;
}

const SIGN_IN: readonly SendStage[] = ["connect", "sign_in"];
const HAND_OVER: readonly SendStage[] = ["sender", "recipient", "content"];
const ANY: readonly SendStage[] = [...SIGN_IN, ...HAND_OVER];

const REPLY_RULES: readonly ReplyRule[] = [
  { fault: "app_password_needed", stages: SIGN_IN, codes: /^5.. 5\.7\.9$/ },
  { fault: "app_password_needed", stages: SIGN_IN, words: /application-specific|app(?:lication)? password/i },
  { fault: "web_login_needed", stages: SIGN_IN, codes: /^5.. 5\.7\.14$/ },
  { fault: "web_login_needed", stages: SIGN_IN, words: /log ?in (?:via|with|through) your web browser/i },
  { fault: "password_login_disabled", stages: SIGN_IN, codes: /^5.. 5\.7\.139$/ },
  { fault: "password_login_disabled", stages: SIGN_IN, words: /basic authentication is disabled/i },
  { fault: "rate_limited", stages: SIGN_IN, codes: /^4/, words: /too many/i },
  { fault: "no_common_sign_in", stages: ["sign_in"], codes: /^(?:504|503|502)/ },
  { fault: "wrong_password", stages: ["sign_in"], codes: /^5/ },
  { fault: "sign_in_needed", stages: HAND_OVER, codes: /^530/ },
  { fault: "greylisted", stages: HAND_OVER, codes: /^4/, words: /gr[ea]y-?list|postgrey/i },
  { fault: "greylisted", stages: HAND_OVER, codes: /^45[01] 4\.7\.1$/ },
  { fault: "mailbox_full", stages: HAND_OVER, codes: /^\d+ [45]\.2\.2$/ },
  {
    fault: "mailbox_full",
    stages: HAND_OVER,
    words: /over ?quota|(?:mailbox|inbox|storage) (?:is )?full|out of storage/i,
  },
  { fault: "too_large", stages: HAND_OVER, codes: /^\d+ [45]\.(?:3\.4|2\.3)$/ },
  { fault: "too_large", stages: HAND_OVER, codes: /^552/, words: /size|large|big/i },
  { fault: "rate_limited", stages: ANY, codes: /^421 4\.7\./ },
  { fault: "rate_limited", stages: ANY, codes: /^\d+ (?:5\.4\.5|4\.7\.28|4\.2\.1|4\.5\.3)$/ },
  {
    fault: "rate_limited",
    stages: ANY,
    words: /too (?:many|quickly|fast)|rate ?limit|limit exceeded|exceeded .*limit/i,
  },
  { fault: "sender_refused", stages: ["sender"], codes: /^5/ },
  { fault: "sender_refused", stages: HAND_OVER, codes: /^5.. 5\.(?:7\.60|1\.[78])$/ },
  { fault: "content_refused", stages: ["content"], codes: /^5.. 5\.7\./ },
  {
    fault: "content_refused",
    stages: ["content"],
    codes: /^5/,
    words: /spam|virus|blocked|policy|unsolicited|reputation/i,
  },
  { fault: "mailbox_unknown", stages: ["recipient"], codes: /^5.. 5\.1\./ },
  {
    fault: "mailbox_unknown",
    stages: ["recipient"],
    codes: /^55[0134]/,
    words:
      /unknown|no such|does ?n[o']t exist|not exist|not found|invalid (?:recipient|mailbox|address)|unavailable/i,
  },
  { fault: "server_busy", stages: ANY, codes: /^4/ },
  { fault: "refused", stages: ANY },
];

export function classifyReply(
  reply: SmtpReply,
  stage: SendStage,
  signIn: SignInKind,
): MailFault {
  const codes = `${reply.code} ${reply.enhanced}`;
  const rule = REPLY_RULES.find((candidate) =>
    candidate.stages.includes(stage) && (candidate.codes?.test(codes) ?? true) &&
    (candidate.words?.test(reply.words) ?? true)
  );
  const fault = rule?.fault ?? "refused";
  const isAboutSecret = fault === "wrong_password" || fault === "app_password_needed";
  return signIn === "oauth2" && isAboutSecret ? "token_refused" : fault;
}

/** An error as nodemailer's SMTP connection gives it: Node's own fields and the reply, where there was one. */
export interface SmtpFailure {
  readonly message: string;
  readonly code?: string | undefined; // nodemailer's code, such as `ESOCKET`
  /** The system's code, such as `ECONNREFUSED`, before nodemailer set its own. */
  readonly originalCode?: string | undefined;
  readonly response?: string | undefined; // the reply as received; absent when the connection broke
}

const NO_ROUTE = new Set(["ENETUNREACH", "ENETDOWN", "EHOSTUNREACH", "EHOSTDOWN", "EADDRNOTAVAIL"]);
const CERTIFICATE = /CERT|SIGNATURE|SELF_SIGNED|ISSUER|ALTNAME/;

/** Names the fault behind a connection that failed without a reply. */
export function classifyBrokenLink(failure: SmtpFailure, stage: SendStage): MailFault {
  const codes = [failure.code ?? "", failure.originalCode ?? ""];
  if (CERTIFICATE.test(codes.join(" ")) || /certificate/i.test(failure.message)) return "certificate";
  // Deno 2.7 tells of a certificate that it refused only as a write that failed, without a reason.
  if (stage === "connect" && failure.message === "write UNKNOWN") return "certificate";
  if (codes.includes("EDNS") || codes.includes("ENOTFOUND") || codes.includes("EAI_AGAIN")) {
    return "no_network";
  }
  if (codes.some((code) => NO_ROUTE.has(code))) return "no_network";
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
    if (match === null) {
      if (code === 0) return null;
      words.push(line.trim());
      continue;
    }
    code ||= Number(match[1]);
    enhanced ||= match[2] ?? "";
    words.push((match[3] ?? "").trim());
  }
  if (code < 200 || code > 599) return null;
  return { code, enhanced, words: words.filter((part) => part !== "").join(" ") };
}

/** Whether the same command may succeed later (RFC 5321 §4.2.1: 4yz is transient, 5yz is not). */
export function isTransientReply(reply: SmtpReply): boolean {
  return reply.code >= 400 && reply.code < 500;
}
