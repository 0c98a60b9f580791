/**
 * Drafts: a mail that is still being written, kept after every answer so that nothing typed is lost.
 * @module
 */

/** What has been written so far, as typed. */
export interface MailDraft {
  /** A UUID. */
  readonly id: string;
  /** The account to send from; empty for the default. */
  readonly accountId: string;
  /** Recipients as typed. */
  readonly to: string;
  /** Copies as typed. */
  readonly cc: string;
  /** Subject; may be empty. */
  readonly subject: string;
  /** Text, lines separated by LF. */
  readonly text: string;
  /** Paths of the files to send along. */
  readonly attachments: readonly string[];
  /** Epoch milliseconds of the last change. */
  readonly savedAt: number;
}

/** Where drafts are kept. */
export interface DraftStore {
  /** Every draft, the newest first. */
  listMailDrafts(): Promise<MailDraft[]>;
  /** Adds a draft, or replaces the one with the same id. */
  saveMailDraft(draft: MailDraft): Promise<void>;
  /** Removes a draft; nothing happens when it is gone. */
  removeMailDraft(id: string): Promise<void>;
}

/**
 * An empty draft.
 *
 * @param now Epoch milliseconds.
 */
export function newDraft(now: number): MailDraft {
  return {
    id: crypto.randomUUID(),
    accountId: "",
    to: "",
    cc: "",
    subject: "",
    text: "",
    attachments: [],
    savedAt: now,
  };
}

/**
 * Whether nothing has been written.
 *
 * @param draft The draft.
 */
export function isBlankDraft(draft: MailDraft): boolean {
  return [draft.to, draft.cc, draft.subject, draft.text].every((part) => part.trim() === "") &&
    draft.attachments.length === 0;
}
