// Group commit on PostgreSQL: sends and acknowledgements that wait at the same moment share one transaction of two round trips.
// The first locks and reads the rows that decide, the second writes and commits. No result leaves before its commit.
import type { CommitTimes } from "../../commit_times.ts";
import type { StoreLimits } from "../../limits.ts";
import type { Call, Outcome } from "../../queue.ts";
import type { Steps } from "../../verbs/steps.ts";
import type { UnreadParts } from "../../unread_parts.ts";
import type { AccountsByName } from "./accounts_by_name.ts";
import { type Acknowledgement, movesOf } from "./acknowledgements.ts";
import type { Connection } from "../connection.ts";
import { type Held, hold } from "./held_rows.ts";
import { runSteps } from "./run_steps.ts";
import type { Roomless } from "./roomless.ts";
import { findEarlier, insertOf, type NewMessage, type Sending, sendingOf, sentOf } from "./sends.ts";
import { readStandings, refusalsOf } from "./standings.ts";

export interface HotContext {
  readonly limits: StoreLimits;
  readonly accounts: AccountsByName;
  readonly commits: CommitTimes;
  readonly unreadParts: UnreadParts;
  readonly roomless: Roomless;
  /** Takes away history that a mailbox need not keep. */
  readonly pruneMailbox: (accountId: number) => Steps<number>;
}

/** The batch has to run call by call: a mailbox is near its limits, so that each message decides over the next. */
class TightBatch extends Error {}

interface Parts {
  readonly messages: readonly (readonly [place: number, message: NewMessage])[];
  readonly acknowledgements: readonly (readonly [place: number, acknowledgement: Acknowledgement])[];
  readonly ids: ReadonlyMap<string, number>; // of the recipients' names
}

/** Runs a batch in one transaction. @throws {TightBatch} Nothing was done; never for a batch of one. */
export async function runHotBatch(
  context: HotContext,
  connection: Connection,
  calls: readonly Call[],
  now: number,
): Promise<Outcome[]> {
  const messages: [number, NewMessage][] = [];
  const acknowledgements: [number, Acknowledgement][] = [];
  for (const [place, { verb, args: [argument] }] of calls.entries()) {
    if (verb === "sendMessage") messages.push([place, argument as NewMessage]);
    else acknowledgements.push([place, argument as Acknowledgement]);
  }
  const ids = await context.accounts.load(connection, new Set(messages.map(([, { to }]) => to)));
  return await connection.transaction(() =>
    runTogether(context, connection, { messages, acknowledgements, ids }, now)
  );
}

async function runTogether(
  context: HotContext,
  connection: Connection,
  parts: Parts,
  now: number,
): Promise<Outcome[]> {
  const { messages, acknowledgements, ids } = parts;
  const wanted = {
    accountIds: [
      ...new Set([...ids.values(), ...acknowledgements.map(([, { accountId }]) => accountId)]),
    ],
    senderIds: [...new Set(messages.map(([, { senderId }]) => senderId))],
    deviceIds: [...new Set(acknowledgements.map(([, { deviceId }]) => deviceId))],
  };
  const { unreadParts, limits, roomless } = context;
  for (const { accountId } of parts.acknowledgements.map(([, acknowledgement]) => acknowledgement)) {
    roomless.forget(accountId);
  }
  let held = await hold(connection, wanted);
  let sendings = sendingsOf(parts, held);
  let standings = await readStandings(connection, sendings, unreadParts, limits);
  let refusals = refusalsOf(sendings, standings, limits, ({ accountId }) => !roomless.has(accountId, now));
  if (refusals === null) {
    if (messages.length > 1) throw new TightBatch("a mailbox is near its limits");
    const { accountId } = sendings[0]!.recipient!;
    const gone = await runSteps(connection, context.pruneMailbox(accountId));
    if (gone === 0) roomless.note(accountId, now);
    held = await hold(connection, wanted);
    sendings = sendingsOf(parts, held);
    standings = await readStandings(connection, sendings, unreadParts, limits);
    refusals = refusalsOf(sendings, standings, limits, () => false)!;
  }
  const taken: Sending[] = [];
  const refused: { sending: Sending; refused: Error | null }[] = [];
  for (const [index, sending] of sendings.entries()) {
    const reason = refusals[index]!;
    if (reason === null) taken.push(sending);
    else refused.push({ sending, refused: reason });
  }
  const moves = movesOf(acknowledgements.map(([, acknowledgement]) => acknowledgement), held, now);
  const writes = [...moves.queries, ...(taken.length > 0 ? [insertOf(taken, now)] : [])];
  const outcomes = new Map<number, Outcome>();
  // What was refused may have been taken before; that is looked up while the rows are still held.
  for (const [index, outcome] of (await findEarlier(connection, refused)).entries()) {
    outcomes.set(refused[index]!.sending.place, outcome);
  }
  const startedAt = performance.now();
  const answers = await connection.commit(writes);
  if (writes.length > 0) context.commits.note(performance.now() - startedAt);
  const inserted = taken.length > 0 ? answers.at(-1) as Parameters<typeof sentOf>[1] : [];
  const stretches = moves.queries.length > 0 ? answers[0] as Parameters<typeof moves.newsFrom>[0] : [];
  const news = moves.newsFrom(stretches);
  moves.noteRead(stretches, unreadParts);
  for (const [index, [place]] of acknowledgements.entries()) outcomes.set(place, { result: news[index] });
  const earlier: { sending: Sending; refused: null }[] = [];
  for (const [index, sent] of sentOf(taken, inserted).entries()) {
    const sending = taken[index]!;
    if (sent === null) earlier.push({ sending, refused: null });
    else outcomes.set(sending.place, { result: sent });
  }
  // Committed rows do not change, so these need no transaction.
  for (const [index, outcome] of (await findEarlier(connection, earlier)).entries()) {
    outcomes.set(earlier[index]!.sending.place, outcome);
  }
  return Array.from({ length: outcomes.size }, (_, place) => outcomes.get(place)!);
}

function sendingsOf({ messages, ids }: Parts, { mailboxes }: Held): Sending[] {
  return messages.map(([place, message]) =>
    sendingOf(message, place, mailboxes.get(ids.get(message.to) ?? 0))
  );
}
