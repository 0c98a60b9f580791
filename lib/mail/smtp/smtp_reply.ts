/**
 * SMTP replies as a server sends them: one or more lines of a code, an enhanced code, and words.
 *
 * Knows the grammar of RFC 5321 §4.2 and RFC 3463, nothing of what a code means to a person.
 * @module
 */

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
