/**
 * The networks of the lab that two people chat across.
 * @module
 */
import { forwardOnRequest } from "./forwarding.ts";
import { buildHomes, buildOneHome } from "./homes.ts";
import type { LabNetwork, LabNode } from "./network.ts";
import { buildIpv6, buildSameLan, buildServerOnly, type LabSite } from "./sites.ts";

/** One row of the lab: a network in which two people chat. */
export type NetworkRow = {
  /** What the table calls it. */
  readonly title: string;
  /** The best routes that physics allows here; any other at the end makes the row fail. */
  readonly expected: readonly string[];
  /** Flags that the host adds to its `host` command. */
  readonly hostFlags?: string;
  /** Program without which this row cannot be built. */
  readonly needs?: string;
  /** How long the first line may take, in seconds; 1 by default. */
  readonly firstLineWithinS?: number;
  /** Builds it. The caller disposes of the site. */
  readonly build: () => Promise<LabSite>;
};

/** Every network, in the order of the table. */
export const NETWORKS: readonly NetworkRow[] = [
  { title: "same LAN", expected: ["direct, LAN"], build: buildSameLan },
  { title: "one home, no hairpin", expected: ["direct, LAN"], build: buildOneHome },
  {
    title: "both behind NAT, dropping",
    expected: ["direct, punched"],
    build: () => buildHomes("drop", "drop"),
  },
  {
    title: "both behind NAT, resetting",
    expected: ["direct, punched"],
    build: () => buildHomes("reset", "reset"),
  },
  {
    title: "double NAT on one side",
    expected: ["direct, punched"],
    build: () => buildHomes("drop", "drop", { isDouble: true }),
  },
  {
    title: "symmetric NAT on one side",
    expected: ["relayed"],
    build: () => buildHomes("symmetric", "drop"),
  },
  {
    title: "symmetric NAT on both sides",
    expected: ["relayed"],
    build: () => buildHomes("symmetric", "symmetric"),
  },
  {
    title: "router forwards on request (UPnP)",
    expected: ["direct, mapped"],
    hostFlags: "--map-port",
    needs: "miniupnpd",
    // The router refuses to forward where its own address is reserved, as those of the other rows are.
    build: () => buildHomes("drop", "symmetric", { internet: "20.30.40", onAnasRouter: forwardOnRequest }),
  },
  {
    title: "5 % of packets lost",
    expected: ["direct, punched"],
    // A connection whose first packet is lost takes a second longer, and each of both may lose it.
    firstLineWithinS: 3,
    build: () => buildHomes("drop", "drop", { onAnasRouter: losePackets }),
  },
  { title: "no route but the server", expected: ["relayed"], build: buildServerOnly },
  { title: "IPv6 only", expected: ["direct, IPv6"], build: () => buildIpv6(false) },
  { title: "IPv6 only, both firewalled", expected: ["direct, punched"], build: () => buildIpv6(true) },
  {
    title: "host public, joiner behind NAT",
    expected: ["direct, internet"],
    build: () => buildHomes("none", "drop"),
  },
];

/** Lets a router lose one packet in twenty, in either direction. */
async function losePackets(network: LabNetwork, router: LabNode): Promise<void> {
  await network.setRules(
    router,
    `table ip loss { chain through { type filter hook forward priority -5;
      numgen random mod 100 < 5 drop
    }
    }`,
  );
}
