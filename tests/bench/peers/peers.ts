/**
 * `deno task bench --peers`: the same load on other chat servers of Debian's, and on ours.
 *
 * They promise different things, so each figure stands beside what its server has on the disk when it acknowledges.
 * @module
 */
import type { BenchContext } from "../context.ts";
import { TEXT } from "../load.ts";
import { nameOf } from "../../helpers/population.ts";
import { median } from "../report.ts";
import { messageOf } from "../../../lib/errors.ts";
import { drive } from "./driver.ts";
import { type Peer, PEERS } from "./servers.ts";

/** Senders and recipients who have accounts. */
const PAIRS = 64;

/** Recipients who are connected, and never away. */
const LIVE_PAIRS = 8;

/** The loads: so many senders with so many messages under way each, to recipients who are away or connected. */
const LOADS = [
  { key: "live 8x64", senders: LIVE_PAIRS, depth: 64, isLive: true },
  { key: "1x1", senders: 1, depth: 1, isLive: false },
  { key: "64x1", senders: 64, depth: 1, isLive: false },
  { key: "64x50", senders: 64, depth: 50, isLive: false },
] as const;

/** What was measured of one server: messages a second, by the key of the load. */
export interface PeerResult {
  readonly name: string;
  readonly onDisk: string;
  readonly rates: Readonly<Record<string, number>>;
}

/** Measures every server that is installed here, one after the other; says which are not, or do not work. */
export async function measurePeers(context: BenchContext): Promise<PeerResult[]> {
  const results: PeerResult[] = [];
  for (const peer of PEERS) {
    if (peer.missing !== undefined) {
      context.say(`left out: ${peer.name} ${peer.missing}`);
      continue;
    }
    context.say(`  ${peer.name}…`);
    try {
      results.push(await measurePeer(peer, context));
    } catch (error) {
      context.say(`left out: ${peer.name}, as it could not be measured: ${messageOf(error)}`);
    }
  }
  return results;
}

async function measurePeer(peer: Peer, { newFolder, rounds, durationMs }: BenchContext): Promise<PeerResult> {
  const samples = new Map<string, number[]>(LOADS.map(({ key }) => [key, []]));
  for (let round = 0; round < rounds; round++) {
    // A mailbox that is full from the round before would be part of the next.
    await using server = await peer.start(await newFolder(), [
      ...names("s", PAIRS),
      ...names("r", PAIRS),
      ...names("l", LIVE_PAIRS),
    ]);
    for (const { key, senders, depth, isLive } of LOADS) {
      const rates = await drive({
        target: server.target,
        dialect: server.dialect,
        senders: names("s", senders),
        recipients: names(isLive ? "l" : "r", senders),
        depth,
        isLive,
        durationMs,
        text: TEXT,
      });
      samples.get(key)!.push(isLive ? rates.arrived : rates.acknowledged);
    }
  }
  const rates = Object.fromEntries(Array.from(samples, ([key, values]) => [key, median(values)]));
  return { name: peer.name, onDisk: peer.onDisk, rates };
}

/** The results as a table in Markdown. */
export function peersTable(results: readonly PeerResult[]): string {
  const keys = LOADS.map(({ key }) => key);
  const head = ["server", ...keys.map((key) => `${key} /s`), "on the disk at the acknowledgement"];
  const rows = results.map(({ name, onDisk, rates }) => [
    name,
    ...keys.map((key) => Math.round(rates[key]!).toLocaleString("en")),
    onDisk,
  ]);
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function names(prefix: string, amount: number): string[] {
  return Array.from({ length: amount }, (_, index) => nameOf(prefix, index));
}
