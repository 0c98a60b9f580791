/**
 * A program of its own that sends one mail from the outbox of a profile, so that a test can kill it half-way.
 *
 * Argument: JSON of {@linkcode SenderJob}. Prints the outcome's kind at its end.
 * @module
 */
import { join } from "node:path";
import type { MailAccount } from "../../lib/mail/account.ts";
import type { MailDraft } from "../../lib/mail/draft.ts";
import { Outbox } from "../../lib/mail/outbox.ts";
import type { OutboxEntry } from "../../lib/mail/outbox_entry.ts";
import type { SmtpEndpoint } from "../../lib/mail/providers.ts";
import { MailSpool } from "../../lib/mail/spool.ts";
import { submitMail } from "../../lib/mail/submission.ts";
import { ProfileMailStore } from "../../lib/store/mail_store.ts";
import { openProfile, type Profile } from "../../lib/store/profile.ts";

/** What the program is told. */
export interface SenderJob {
  /** Folder of the profile. */
  readonly profile: string;
  /** The mail server. */
  readonly endpoint: SmtpEndpoint;
  /** The entry to send. */
  readonly id: string;
}

/** An outbox over a profile, as a client has it. */
export function openTestOutbox(profile: Profile, folder: string, endpoint: SmtpEndpoint): Outbox {
  const target = { endpoint, credentials: { kind: "none" as const }, address: "ann@example.org" };
  return new Outbox({
    store: new ProfileMailStore<MailAccount, MailDraft, OutboxEntry>(profile.database),
    spool: new MailSpool(join(folder, "mail-outbox")),
    submit: (_account, mail, options) => submitMail(target, mail, options),
  });
}

if (import.meta.main) {
  const job: SenderJob = JSON.parse(Deno.args[0] ?? "{}");
  using profile = openProfile(job.profile);
  const outcome = await openTestOutbox(profile, job.profile, job.endpoint).send(job.id);
  await Deno.stdout.write(new TextEncoder().encode(`${outcome.kind}\n`));
}
