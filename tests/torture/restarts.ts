/**
 * `deno task torture --restarts`: a server is stopped and started again, and clients measure how long they are without it.
 *
 * The clients are the program's own link and chat client, with pauses as people have them; only their outbox is in memory. Each
 * writes a message as soon as its link is cut, and its partner waits for it.
 * @module
 */
import { join } from "node:path";
import { percentile } from "../bench/report.ts";
import { addPeople, type Person } from "../helpers/population.ts";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { makeNextRelease } from "./next_release.ts";
import { RestartClient } from "./restart_client.ts";

/** What is tried: how many people are connected, and how often the server is restarted under them. */
const ROUNDS = [
  { name: "restart, 20 people", people: 20, restarts: 10, isUpgrade: false },
  { name: "restart, 2,000 people", people: 2_000, restarts: 3, isUpgrade: false },
  { name: "upgrade with a new schema, 20 people", people: 20, restarts: 1, isUpgrade: true },
] as const;

/** File descriptors that the server may have. */
const DESCRIPTORS = 8_192;

const FLAGS = ["--log-level", "warning", "--max-connections-per-address", "8000"];

const BACK_WITHIN_MS = 120_000;

/** What one kind of restart did to people. Times are in milliseconds, from the signal to stop unless they say otherwise. */
export interface RestartTally {
  readonly name: string;
  readonly restarts: number;
  readonly stopMs: number[]; // to the end of the old process
  readonly startMs: number[]; // from there until the new one serves
  readonly backMs: number[]; // until a client is signed in again
  readonly sentMs: number[]; // until its message is stored
  readonly receivedMs: number[]; // until its partner's message is there
  messages: number;
  lost: number;
  doubled: number;
  outOfOrder: number;
}

/** Restarts servers, and counts. */
export async function runRestarts(scratch: string, say: (line: string) => void): Promise<RestartTally[]> {
  const nextRelease = await makeNextRelease(join(scratch, "next-release"));
  const tallies: RestartTally[] = [];
  for (const [index, round] of ROUNDS.entries()) {
    const data = join(scratch, `data-${index}`);
    const people = await addPeople(data, "r", round.people);
    const tally: RestartTally = {
      name: round.name,
      restarts: round.restarts,
      stopMs: [],
      startMs: [],
      backMs: [],
      sentMs: [],
      receivedMs: [],
      messages: 0,
      lost: 0,
      doubled: 0,
      outOfOrder: 0,
    };
    await restartUnder(people, data, { ...round, nextRelease, tally, say });
    tallies.push(tally);
  }
  return tallies;
}

async function restartUnder(
  people: readonly Person[],
  data: string,
  { restarts, isUpgrade, nextRelease, tally, say }: {
    readonly restarts: number;
    readonly isUpgrade: boolean;
    readonly nextRelease: string;
    readonly tally: RestartTally;
    readonly say: (line: string) => void;
  },
): Promise<void> {
  let server = await launch(data, 0);
  const { port } = server;
  const certificatePem = await Deno.readTextFile(join(data, "server.crt"));
  await using clients = new AsyncDisposableStack();
  const all = people.map((person, index) => {
    const partner = people[index % 2 === 0 ? index + 1 : index - 1]!.name;
    return clients.use(new RestartClient({ port, certificatePem }, person, partner));
  });
  await waitUntil("everybody is connected", () => all.every(({ isOnline }) => isOnline), BACK_WITHIN_MS);
  for (let count = 0; count < restarts; count++) {
    const cutAt = performance.now();
    for (const client of all) client.expectCut(cutAt);
    await server.stop();
    const stoppedAt = performance.now();
    server = await launch(data, port, isUpgrade ? nextRelease : undefined);
    tally.stopMs.push(stoppedAt - cutAt);
    tally.startMs.push(performance.now() - stoppedAt);
    await waitUntil("everybody is back", () => all.every(({ isDone }) => isDone), BACK_WITHIN_MS);
    for (const { backMs, sentMs, receivedMs } of all) {
      tally.backMs.push(backMs!);
      tally.sentMs.push(sentMs!);
      tally.receivedMs.push(receivedMs!);
    }
    say(
      `  ${tally.name}: ${count + 1} of ${restarts}, everybody is back after ${
        Math.round(Math.max(...all.map(({ backMs }) => backMs!)))
      } ms`,
    );
  }
  for (const client of all) {
    const verdict = client.verdict(all.find(({ name }) => name === client.partner)!.written);
    tally.messages += client.written.length;
    tally.lost += verdict.lost;
    tally.doubled += verdict.doubled;
    tally.outOfOrder += verdict.outOfOrder;
  }
  await clients.disposeAsync();
  await server.stop();
}

function launch(data: string, port: number, entry?: string): Promise<TestServer> {
  return startServer({
    data,
    port,
    args: FLAGS,
    wrapper: ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh"],
    ...(entry === undefined ? {} : { entry }),
  });
}

/** The table of a run. */
export function tableOfRestarts(tallies: readonly RestartTally[]): string {
  const ms = (values: readonly number[], share: number) => String(Math.round(percentile(values, share)));
  const rows = [
    [
      ...["", "stop ms", "start ms", "back ms: half", "95 %", "last", "sent: 95 %", "received: 95 %"],
      ...["messages", "lost", "doubled", "out of order"],
    ],
    ...tallies.map((tally) => [
      `${tally.name}, ${tally.restarts} ×`,
      ...[ms(tally.stopMs, 0.5), ms(tally.startMs, 0.5)],
      ...[ms(tally.backMs, 0.5), ms(tally.backMs, 0.95), ms(tally.backMs, 1)],
      ...[ms(tally.sentMs, 0.95), ms(tally.receivedMs, 0.95)],
      ...[tally.messages, tally.lost, tally.doubled, tally.outOfOrder].map(String),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}
