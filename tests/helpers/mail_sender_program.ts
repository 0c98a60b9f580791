/**
 * A program of its own that works on the outbox of a profile beside others, so that a test can kill it half-way.
 *
 * Argument: JSON of {@linkcode SenderJob}. Prints what it has done at its end.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Outbox, type SubmitForAccount } from "../../lib/mail/outbox.ts";
import type { SmtpEndpoint } from "../../lib/mail/providers.ts";
import { submitMail } from "../../lib/mail/smtp/dialogue.ts";
import { ProfileMailStore } from "../../lib/profile/mail_store.ts";
import { openProfile, type Profile } from "../../lib/profile/profile.ts";
import { Program } from "./program.ts";

/** What the program is told. */
export interface SenderJob {
  /** Folder of the profile. */
  readonly profile: string;
  /** The mail server. */
  readonly endpoint: SmtpEndpoint;
  /** Send one mail; or, until the standard input ends, list all the time, or retry all that waits. */
  readonly work: { readonly send: string } | "list" | "retry";
}

/** The program as a child process. */
export function startSender(job: SenderJob): Program {
  const permissions = ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-sys"];
  return new Program(Deno.execPath(), [
    "run",
    "-q",
    ...permissions,
    fileURLToPath(import.meta.url),
    JSON.stringify(job),
  ]);
}

/** An outbox over a profile, as a client has it. */
export function openTestOutbox(profile: Profile, folder: string, submit: SubmitForAccount): Outbox {
  return new Outbox({
    store: new ProfileMailStore(profile.database),
    spoolFolder: join(folder, "mail-outbox"),
    submit,
  });
}

/** Hands mails in to a server that asks for no sign-in. */
export function submitTo(endpoint: SmtpEndpoint): SubmitForAccount {
  const target = { endpoint, credentials: { kind: "none" as const }, address: "ann@example.org" };
  return (_account, mail, options) => submitMail(target, mail, options);
}

/** Does something over and over, at least once, until the standard input ends; how often. */
async function untilInputEnds(run: () => Promise<void>): Promise<number> {
  let hasEnded = false;
  const ended = Array.fromAsync(Deno.stdin.readable).then(() => hasEnded = true);
  await Deno.stdout.write(new TextEncoder().encode("working\n"));
  let rounds = 0;
  for (; !hasEnded || rounds === 0; rounds++) {
    await run();
    await new Promise((resolve) => setTimeout(resolve)); // an empty outbox is listed without one wait for the system
  }
  await ended;
  return rounds;
}

async function work(outbox: Outbox, job: SenderJob["work"]): Promise<string> {
  if (job === "list") {
    let wrong = 0;
    const rounds = await untilInputEnds(async () => {
      const items = await outbox.list();
      wrong += items.filter((item) => item.state === "in_doubt" && !item.isBeingSent).length;
    });
    return `listed ${rounds} times, ${wrong} wrongly in doubt`;
  }
  if (job === "retry") {
    let sent = 0;
    await untilInputEnds(async () => {
      for (const item of await outbox.list()) {
        if (item.state === "in_doubt" || item.isBeingSent) continue;
        if ((await outbox.retry(item)).kind === "sent") sent++;
      }
    });
    return `sent ${sent}`;
  }
  return (await outbox.retry({ id: job.send, state: "queued" })).kind;
}

if (import.meta.main) {
  const job: SenderJob = JSON.parse(Deno.args[0] ?? "{}");
  using profile = openProfile(job.profile);
  const result = await work(openTestOutbox(profile, job.profile, submitTo(job.endpoint)), job.work);
  await Deno.stdout.write(new TextEncoder().encode(`${result}\n`));
}
