// Writing and sending one e-mail by answering questions; whatever was typed is kept as a draft until it is sent.
import type { MailAccount } from "../../mail/account.ts";
import type { MailAddress } from "../../mail/address.ts";
import { isBlankDraft, type MailDraft, newDraft } from "../../mail/draft.ts";
import type { MailContent } from "../../mail/message.ts";
import { formatBytes } from "../../bytes.ts";
import { count } from "../../count.ts";
import { Interrupt } from "../../terminal/read_line.ts";
import { type Asker, readTextWith } from "../../terminal/questions.ts";
import { oneLine, safeText } from "../../terminal/safe_text.ts";
import { bold, dim } from "../../terminal/style.ts";
import { askAttachments, describeFile } from "./attachments.ts";
import type { EmailParts } from "./parts.ts";
import { listAddresses, recipientHint, resolveRecipients } from "./recipients.ts";
import { KEPT_AS_DRAFT, sendContent } from "./send.ts";
import { ago } from "../format.ts";

const PREVIEW_LINES = 12; // of the text
const PREVIEW_COLUMNS = 100;
/** A text is kept at most this often while it is being typed, milliseconds: each time waits for the disk. */
const KEEP_EVERY_MS = 1_000;

export async function composeEmail(parts: EmailParts, to: string, signal: AbortSignal): Promise<void> {
  const draft = await pickDraft(parts, to);
  if (draft !== null) await new Composition(parts, draft, signal).run();
}

async function pickDraft(parts: EmailParts, to: string): Promise<MailDraft | null> {
  const fresh = { ...newDraft(parts.now()), to };
  const [draft] = await parts.store.listMailDrafts();
  if (draft === undefined || to !== "") return fresh;
  const what = oneLine(draft.subject, 40) || oneLine(draft.text, 40) || "no text yet";
  const whom = draft.to === "" ? "nobody yet" : oneLine(draft.to, 40);
  const choice = await parts.terminal.choose(
    `A draft is waiting: "${what}" to ${whom}, ${ago(draft.savedAt, parts.now())}.`,
    [
      { value: "go on", label: "Continue it" },
      { value: "new", label: "Write another", description: "the draft stays" },
      { value: "drop", label: "Delete it" },
    ],
    { byDefault: 0 },
  );
  if (choice === null) return null;
  if (choice === "go on") return draft;
  if (choice === "drop") await parts.store.removeMailDraft(draft.id);
  return fresh;
}

class Composition {
  readonly #parts: EmailParts;
  readonly #signal: AbortSignal;
  #draft: MailDraft;

  constructor(parts: EmailParts, draft: MailDraft, signal: AbortSignal) {
    this.#parts = parts;
    this.#draft = draft;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    try {
      while (true) {
        const content = await this.#ask();
        if (content === null) return await this.#leave();
        const decision = await this.#decide(content.mail);
        if (decision === "change") continue;
        if (decision === "drop") {
          await this.#parts.store.removeMailDraft(this.#draft.id);
          return await this.#parts.terminal.print("The draft was deleted.");
        }
        if (decision !== "send") return await this.#leave();
        return await sendContent(this.#parts, content.account, content.mail, this.#draft, this.#signal);
      }
    } catch (error) {
      if (!(error instanceof Interrupt)) throw error;
      await this.#leave();
      throw error;
    }
  }

  /** `null` at the end of the input. */
  async #ask(): Promise<{ account: MailAccount; mail: MailContent } | null> {
    const account = await this.#askAccount();
    if (account === null) return null;
    const to = await this.#askRecipients("To: ", "to");
    if (to === null) return null;
    const cc = await this.#askRecipients("Copies to (Enter: nobody): ", "cc");
    if (cc === null) return null;
    const subject = await this.#askSubject();
    if (subject === null) return null;
    const text = await this.#askText();
    const attachments = await askAttachments(
      this.#parts,
      this.#draft.attachments,
      (paths) => this.#keep({ attachments: paths }),
    );
    if (attachments === null) return null;
    const from = { name: account.name, address: account.address };
    return { account, mail: { from, to, cc, bcc: [], subject, text, attachments } };
  }

  async #askAccount(): Promise<MailAccount | null> {
    const accounts = await this.#parts.store.listMailAccounts();
    if (accounts.length < 2) return accounts[0] ?? null;
    const current = accounts.findIndex((account) => account.id === this.#draft.accountId);
    const chosen = await this.#parts.terminal.choose(
      "From which account?",
      accounts.map((account) => ({ value: account, label: safeText(account.address) })),
      { byDefault: Math.max(current, 0) },
    );
    if (chosen !== null) await this.#keep({ accountId: chosen.id });
    return chosen;
  }

  async #askRecipients(prompt: string, field: "to" | "cc"): Promise<readonly MailAddress[] | null> {
    const { terminal, findPublishedAddress } = this.#parts;
    while (true) {
      const question = { prompt, initial: this.#draft[field], multiline: false, hint: recipientHint };
      const typed = await this.#keepingInterrupted(field, () => terminal.readLine(question));
      if (typed === null) return null;
      await this.#keep({ [field]: typed });
      const { addresses, problems } = await resolveRecipients(typed, findPublishedAddress);
      for (const problem of problems) await terminal.print(`  ${problem}.`);
      const isMissing = field === "to" && addresses.length === 0;
      if (problems.length === 0 && !isMissing) return addresses;
      if (!terminal.isInteractive) return null; // a pipe would be asked the same for ever
      if (problems.length > 0) continue;
      await terminal.print("  At least one is needed: an address, several with commas, or a Mini-Chat name.");
    }
  }

  async #askSubject(): Promise<string | null> {
    const question = { prompt: "Subject: ", initial: this.#draft.subject, multiline: false };
    const typed = await this.#keepingInterrupted("subject", () => this.#parts.terminal.readLine(question));
    if (typed === null) return null;
    const subject = typed.trim();
    await this.#keep({ subject });
    return subject;
  }

  async #askText(): Promise<string> {
    const { terminal, now } = this.#parts;
    let keptAt = now();
    // Shown with each key, so it is also where a long text is kept while it grows.
    const hint = (typed: string) => {
      if (now() - keptAt >= KEEP_EVERY_MS) {
        keptAt = now();
        this.#keep({ text: typed }).catch(() => {}); // a disk that fails says so when the text is finished
      }
      return undefined;
    };
    // A pipe has no keyboard for an editor.
    const edit = terminal.isInteractive ? (before: string) => terminal.edit(before) : undefined;
    const asker: Asker = {
      readLine: (options) => terminal.readLine({ ...options, hint }),
      print: (line) => terminal.print(line),
    };
    const ask = () => readTextWith(asker, edit, { initial: this.#draft.text });
    const text = await this.#keepingInterrupted("text", ask) ?? ""; // the end of a pipe ends the text too
    await this.#keep({ text });
    return text;
  }

  async #decide(mail: MailContent): Promise<"send" | "change" | "keep" | "drop" | null> {
    const { terminal } = this.#parts;
    for (const line of previewLines(mail)) await terminal.print(line);
    if (await terminal.confirm("Send it?", true)) return "send";
    if (terminal.closed.aborted) return null;
    return await terminal.choose(
      "What should happen to it?",
      [
        { value: "change", label: "Change something" },
        { value: "keep", label: "Keep it as a draft" },
        { value: "drop", label: "Delete it" },
      ] as const,
      { byDefault: 1 },
    );
  }

  /** What was being typed at Ctrl+C is part of the draft too. */
  async #keepingInterrupted<Answer>(
    field: "to" | "cc" | "subject" | "text",
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Interrupt) await this.#keep({ [field]: error.text });
      throw error;
    }
  }

  async #keep(change: Partial<MailDraft>): Promise<void> {
    this.#draft = { ...this.#draft, ...change, savedAt: this.#parts.now() };
    if (!isBlankDraft(this.#draft)) await this.#parts.store.saveMailDraft(this.#draft);
  }

  async #leave(): Promise<void> {
    if (isBlankDraft(this.#draft)) return;
    await this.#parts.store.saveMailDraft(this.#draft);
    await this.#parts.terminal.print(`Not sent. ${KEPT_AS_DRAFT}`);
  }
}

function previewLines(mail: MailContent): string[] {
  const lines = mail.text.split("\n");
  const shown = lines.slice(0, PREVIEW_LINES).map((line) => `  ${oneLine(line, PREVIEW_COLUMNS)}`);
  const left = lines.length - shown.length;
  const total = mail.attachments.reduce((sum, file) => sum + file.sizeBytes, 0);
  return [
    "",
    `${bold("From:")} ${safeText(listAddresses([mail.from]))}`,
    `${bold("To:")} ${safeText(listAddresses(mail.to))}`,
    ...mail.cc.length === 0 ? [] : [`${bold("Copies:")} ${safeText(listAddresses(mail.cc))}`],
    `${bold("Subject:")} ${mail.subject === "" ? dim("(none)") : safeText(mail.subject)}`,
    ...mail.text === "" ? [dim("  (no text)")] : shown,
    ...left > 0 ? [dim(`  … ${count(left, "more line")}`)] : [],
    ...mail.attachments.map((file) => `${bold("Attached:")} ${describeFile(file)}`),
    ...mail.attachments.length > 1 ? [dim(`  ${formatBytes(total)} in all`)] : [],
    "",
  ];
}
