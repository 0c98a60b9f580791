/**
 * Which fault a refusal is: the rules that sort what servers answer, and the ways in which a connection breaks.
 *
 * Read from what Gmail, Outlook.com and Postfix answer. The rules are tried from the top; the last always fits.
 * @module
 */
import { isPasswordFault, type MailFault } from "../mail_error.ts";
import type { Credentials } from "../submission.ts";

export type SendStage = "connect" | "sign_in" | "sender" | "recipient" | "content";

/** The faults that a mail server can be the cause of; the others come from before it is spoken to. */
export type SmtpFault = Exclude<
  MailFault,
  "secret_missing" | "oauth_client_wrong" | "consent_denied" | "consent_failed"
>;

interface ReplyRule {
  readonly fault: SmtpFault;
  readonly stages: readonly SendStage[];
  readonly codes?: RegExp; // matched against `CODE ENHANCED`, such as `535 5.7.8`
  readonly words?: RegExp; // where `codes` are given too, both must match
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
  signIn: Credentials["kind"],
): SmtpFault {
  const codes = `${reply.code} ${reply.enhanced}`;
  const rule = REPLY_RULES.find((candidate) =>
    candidate.stages.includes(stage) && (candidate.codes?.test(codes) ?? true) &&
    (candidate.words?.test(reply.words) ?? true)
  );
  const fault = rule?.fault ?? "refused";
  return signIn === "oauth2" && isPasswordFault(fault) ? "token_refused" : fault;
}

/** An error as nodemailer's SMTP connection gives it: Node's own fields and the reply, where there was one. */
export interface SmtpFailure {
  readonly message: string;
  readonly code?: string | undefined; // nodemailer's code, such as `ESOCKET`
  readonly originalCode?: string | undefined; // the system's code before it, such as `ECONNREFUSED`
  readonly response?: string | undefined; // the reply as received; absent when the connection broke
}

/** No such name, or no route to it. */
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
