// The subcommand `doctor`: looks at all that the client depends on, and says of each thing how it is and what to do.
import { NotSignedInError } from "../../errors.ts";
import { type Finding, warning } from "../../findings/finding.ts";
import { reportFindings } from "../../findings/report.ts";
import { parseInviteLink } from "../../protocol/invite_link.ts";
import { Limit } from "../../waiting.ts";
import type { App } from "../app.ts";
import { examineMail, examineProfile } from "./here.ts";
import { examineOutlook, searchRouter } from "./network.ts";
import { examineServer, type Target } from "./server.ts";

/** How long all of it may take, in milliseconds. */
const ALL_WITHIN_MS = 45_000;

/** What the program has to tell it. */
export interface DoctorOptions {
  readonly json: boolean;
  readonly profileFolder: string;
  /** Finds the account that is examined: with a server given, the one there. Throws `NotSignedInError` for none. */
  readonly findTarget: () => Pick<Target, "known" | "login">;
  /** How long all of it may take, in milliseconds; 45 s by default. */
  readonly withinMs?: number;
  /** How long one long question may take, in milliseconds; 10 s by default. */
  readonly largeWithinMs?: number;
}

/**
 * @param where The server: an address or an invite link; the one used last when left out.
 * @throws {ChatError} when something does not work.
 * @throws {Interrupt} at Ctrl+C.
 */
export async function runDoctor(app: App, where: string | undefined, options: DoctorOptions): Promise<void> {
  const { withinMs = ALL_WITHIN_MS } = options;
  await app.waitFor("Examining", async (stop) => {
    using limit = new Limit(withinMs, stop);
    const findings = examine(app, where, options, limit.signal);
    await reportFindings(app.terminal, untilTimeIsUp(findings, withinMs, stop, limit.signal), options);
  });
}

async function* examine(
  app: App,
  where: string | undefined,
  { profileFolder, findTarget, largeWithinMs }: DoctorOptions,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  // These take long, and wait for nobody.
  const router = searchRouter(signal);
  const mail = examineMail(app, signal);
  for (const early of [router, mail]) early.catch(() => {}); // whoever waits for them is told
  yield* examineProfile(app, profileFolder);
  const target = targetOf(app, where, findTarget);
  if (target) {
    const door = yield* examineServer(app, target, signal, largeWithinMs);
    if (door) yield* examineOutlook(door, router, signal);
  } else {
    yield warning(
      "server",
      "No server is known here yet.",
      "Type mini-chat-client LINK with the invite link you were sent.",
    );
  }
  const mailFinding = await mail;
  if (mailFinding) yield mailFinding;
}

function targetOf(
  app: App,
  where: string | undefined,
  findTarget: DoctorOptions["findTarget"],
): Target | null {
  if (where !== undefined) {
    const link = parseInviteLink(where);
    const known = app.profile.findServer(link.host, link.port);
    const login = known === null
      ? null
      : app.profile.listLogins(known.serverId).find(({ token }) => token !== null) ?? null;
    return { link, known, login };
  }
  try {
    const { known, login } = findTarget();
    return known && { link: { host: known.host, port: known.port }, known, login };
  } catch (error) {
    if (!(error instanceof NotSignedInError)) throw error;
    const [known] = app.profile.listServers();
    return known ? { link: { host: known.host, port: known.port }, known, login: null } : null;
  }
}

/** The findings, and in place of what comes too late a word about that. */
async function* untilTimeIsUp(
  findings: AsyncIterable<Finding>,
  withinMs: number,
  stop: AbortSignal,
  limit: AbortSignal,
): AsyncGenerator<Finding> {
  try {
    yield* findings;
  } catch (error) {
    if (!limit.aborted || stop.aborted) throw error;
    yield warning(
      "time",
      `Stopped after ${withinMs / 1_000} s; what is not named above was not examined.`,
      "Something on the way is very slow: try again, or on another network.",
    );
  }
}
