/**
 * `stranger_ms` and `stranger_login_ms`: how long people wait whose client is not ours.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createEphemeralIdentity } from "../../lib/net/identity.ts";
import { Program, runProgram } from "../helpers/program.ts";
import { startBenchServer } from "./bench_server.ts";
import type { BenchContext } from "./context.ts";
import { addPeople, type Person } from "../helpers/population.ts";
import { median, percentile } from "./report.ts";
import { measureThreadHops } from "./thread_hops.ts";

const SCRIPT = fileURLToPath(new URL("../python/stranger_latency.py", import.meta.url));
const RAW_RELAY = fileURLToPath(new URL("../python/raw_relay.py", import.meta.url));

/** Messages a second. */
const RATES = [200, 20]; // the quick one first: nobody's server has just been started

/** Longest that a reply to hello and to resume may take together, and a message at the median and the 99th percentile. */
const MOST_MS = { login: 5, p50: 2, p99: 10 };

/** What the script prints. */
interface Waits {
  readonly login_ms: readonly number[];
  readonly event_ms: Readonly<Record<string, readonly number[]>>;
}

/**
 * Times a client in Python that sends, receives and acknowledges as the protocol's page says, and does nothing else; next to
 * the same client at the least that a server can do.
 */
export async function measureStranger(context: BenchContext): Promise<void> {
  const { report, durationMs, rounds } = context;
  const folder = await context.newFolder();
  const [sender, recipient] = await addPeople(folder, "p", 2) as [Person, Person];
  await using server = await startBenchServer(folder);
  for (let round = 0; round < rounds; round++) {
    await using raw = await startRawRelay(await context.newFolder());
    const limit = await timeStranger(raw.port, sender, recipient, durationMs);
    const waits = await timeStranger(server.target.port, sender, recipient, durationMs);
    report.add("stranger_login_ms", "ms", median([...waits.login_ms]), {
      target: { of: MOST_MS.login, must: "be at most", factor: 1 },
      note: "hello and resume of a client in Python",
    });
    for (const rate of RATES) {
      report.add(`limit.stranger_ms.${rate}`, "ms", median([...limit.event_ms[rate]!]), {
        note: "one insert, one fsync and the event by a server in Python that does no more",
      });
      const asleep = await measureThreadHops(folder, 1_000 / rate);
      report.add(`limit.thread_hops_ms.${rate}`, "ms", asleep.hopsMs);
      report.add(`limit.fsync_ms.${rate}`, "ms", asleep.fsyncMs, { note: "4 KiB, at this pace" });
      for (const [name, share] of [["p50", 0.5], ["p99", 0.99]] as const) {
        report.add(`stranger_ms.${rate}.${name}`, "ms", percentile([...waits.event_ms[rate]!], share), {
          target: { of: MOST_MS[name], must: "be at most", factor: 1 },
        });
      }
    }
  }
}

async function timeStranger(
  port: number,
  sender: Person,
  recipient: Person,
  durationMs: number,
): Promise<Waits> {
  const args = [port, sender.token, recipient.token, recipient.name, durationMs / 1000, ...RATES];
  const { code, stdout, stderr } = await runProgram("python3", [SCRIPT, ...args.map(String)]);
  if (code !== 0) throw new Error(`The client in Python failed:\n${stderr}`);
  return JSON.parse(stdout);
}

async function startRawRelay(folder: string): Promise<AsyncDisposable & { readonly port: number }> {
  const { certificatePem, privateKeyPem } = await createEphemeralIdentity();
  await Deno.writeTextFile(join(folder, "server.crt"), certificatePem);
  await Deno.writeTextFile(join(folder, "server.key"), privateKeyPem);
  const program = new Program("python3", [RAW_RELAY, folder], { name: "raw relay" });
  const [, port] = await program.waitForLine(/^(\d+)$/);
  return { port: Number(port), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
