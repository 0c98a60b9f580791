/**
 * Plays one row of the lab: two people meet, chat for a while, and what should hold is looked at.
 * @module
 */
import type { EventRow } from "./events.ts";
import type { NetworkRow } from "./networks.ts";
import { Scene } from "./scene.ts";
import type { Turn } from "./turn.ts";

/** How long every chat lasts at least, in milliseconds. */
const CHAT_MS = 90_000;
/** When the file is sent, or the event happens, in milliseconds after joining. */
const MIDDLE_MS = 15_000;
/** The first line is to be there in half a second; a machine that does other things as well is given twice that. */
const FIRST_LINE_WITHIN_S = 1;
/** How long other rows wait with their start until this one has its best route, in milliseconds. */
const OTHERS_WAIT_MS = 4_000;
/**
 * How long the best route may take, in milliseconds. Where routers refuse with RST chance decides, and more so between
 * namespaces, where a packet is under way for 0.05 ms: then it is a later try that finds it.
 */
const BEST_WITHIN_MS = 75_000;
/** How long it may take before an event, and after it, where chance has no part in it. */
const EVENT_ROUTE_WITHIN_MS = 30_000;
/** How long the lines of an event are waited for, to know how late they are, in milliseconds. */
const BACK_AT_LAST_MS = 60_000;
/** How long lines may take to be back unless the row says otherwise, in seconds. */
const BACK_WITHIN_S = 10;

/** What a row came to; what is unset was not reached. */
export type Outcome = {
  /** From `join` to the first line on the host's screen, in seconds. */
  firstLineSeconds?: number;
  /** From `join` until the best route was in use, in seconds. */
  bestSeconds?: number;
  /** The best route that was in use; before the event, where there was one. */
  route?: string;
  /** From saying yes to the checked file, in seconds. */
  fileSeconds?: number;
  /** From the network's return until new lines had arrived both ways, in seconds. */
  backSeconds?: number;
  /** The route at the end. */
  lastRoute?: string | undefined;
  /** All that went wrong, a sentence without its period each. */
  readonly failures: string[];
  /** What both screens said, for a row that failed. */
  report?: string;
};

/**
 * Plays one row to its end.
 *
 * @param row What to play.
 * @param folder An empty folder.
 * @param options.turn Held while something is timed that other rows would slow.
 * @param options.database Of two servers, with a person at each; one server without it.
 */
export async function play(
  row: NetworkRow | EventRow,
  folder: string,
  { turn, database = null }: { readonly turn: Turn; readonly database?: string | null },
): Promise<Outcome> {
  const outcome: Outcome = { failures: [] };
  await using stack = new AsyncDisposableStack();
  let scene: Scene | undefined;
  try {
    {
      using _turn = await turn.take();
      scene = stack.use(await Scene.open(stack.use(await row.build()), folder, database));
      outcome.firstLineSeconds = await Promise.race([scene.link(row.hostFlags), scene.over]);
      await scene.waitForRoute(row.expected, OTHERS_WAIT_MS).catch(() => {}); // looked at again at the end
    }
    const chatting = chat(row, scene, outcome, turn);
    chatting.catch(() => {}); // where the chat is over before
    await Promise.race([chatting, scene.over]);
  } catch (error) {
    outcome.failures.unshift(error instanceof Error ? error.message : String(error));
  }
  if (scene) {
    outcome.lastRoute = scene.routes.at(-1)?.text;
    if (outcome.failures.length > 0) outcome.report = scene.report();
  }
  return outcome;
}

async function chat(row: NetworkRow | EventRow, scene: Scene, outcome: Outcome, turn: Turn): Promise<void> {
  const { talk, joinedAt } = scene;
  const until = async (ms: number) => {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, joinedAt + ms - performance.now())));
  };
  talk.goOn();
  await scene.waitForRoute(row.expected, "happen" in row ? EVENT_ROUTE_WITHIN_MS : BEST_WITHIN_MS);
  const best = scene.routes.find(({ text }) => row.expected.includes(text))!;
  outcome.route = best.text;
  outcome.bestSeconds = (best.at - joinedAt) / 1000;
  await until(MIDDLE_MS);
  if ("happen" in row) await liveThrough(row, scene, outcome);
  if (!("happen" in row) || row.sendsFile) {
    using _turn = await turn.take();
    outcome.fileSeconds = await scene.sendFile();
  }
  await until(CHAT_MS);
  await talk.check();
  judge(row, scene, outcome);
  await scene.part();
}

/** Plays the event, and waits until lines arrive again and take the way that they should. */
async function liveThrough(row: EventRow, scene: Scene, outcome: Outcome): Promise<void> {
  const { expected, expectedAfter = expected, backWithinS = BACK_WITHIN_S, lineBytes = 0 } = row;
  const backAt = await row.happen(scene);
  const seenAt = await scene.talk.mark({ bytes: lineBytes, withinMs: BACK_AT_LAST_MS });
  outcome.backSeconds = (seenAt - backAt) / 1000;
  if (outcome.backSeconds > backWithinS) {
    outcome.failures.push(`lines were back after ${outcome.backSeconds.toFixed(1)} s, not ${backWithinS} s`);
  }
  scene.talk.goOn();
  await scene.waitForRoute(expectedAfter, EVENT_ROUTE_WITHIN_MS);
}

function judge(row: NetworkRow | EventRow, scene: Scene, outcome: Outcome): void {
  const fail = (what: string) => outcome.failures.push(what);
  const { firstLineSeconds = Infinity } = outcome;
  const { firstLineWithinS = FIRST_LINE_WITHIN_S } = row;
  if (firstLineSeconds > firstLineWithinS) {
    fail(`the first line took ${firstLineSeconds.toFixed(1)} s, not ${firstLineWithinS} s`);
  }
  const expected = "happen" in row ? row.expectedAfter ?? row.expected : row.expected;
  const last = scene.routes.at(-1)?.text ?? "none";
  if (!expected.includes(last)) fail(`the route at the end is ${last}, not ${expected.join(" or ")}`);
  const lossesAllowed = "happen" in row ? row.lossesAllowed ?? 1 : 0;
  if (scene.losses > lossesAllowed) {
    fail(`a screen told of ${scene.losses} lost connections, not of ${lossesAllowed} at most`);
  }
}
