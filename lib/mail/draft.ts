// Drafts: a mail that is still being written, kept after every answer so that nothing typed is lost.

export interface MailDraft {
  readonly id: string;
  readonly accountId: string; // the account to send from; empty for the default
  readonly to: string;
  readonly cc: string;
  readonly subject: string;
  readonly text: string;
  readonly attachments: readonly string[];
  readonly savedAt: number; // epoch milliseconds of the last change
}

export interface DraftStore {
  listMailDrafts(): Promise<MailDraft[]>; // the newest first
  saveMailDraft(draft: MailDraft): Promise<void>;
  removeMailDraft(id: string): Promise<void>;
}

export function newDraft(now: number): MailDraft {
  const nothing = { accountId: "", to: "", cc: "", subject: "", text: "", attachments: [] };
  return { ...nothing, id: crypto.randomUUID(), savedAt: now };
}

export function isBlankDraft(draft: MailDraft): boolean {
  return [draft.to, draft.cc, draft.subject, draft.text].every((part) => part.trim() === "") &&
    draft.attachments.length === 0;
}
