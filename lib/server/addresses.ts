import { scopeOf } from "../addresses.ts";

/**
 * The addresses at which a server that listens on `bound` can be reached, the most useful first.
 *
 * @param bound `::` and `0.0.0.0` stand for all addresses of this machine.
 * @returns IP addresses; loopback only when there is nothing else. Link-local ones are left out: they need a zone.
 */
export function reachableAddresses(bound: string): string[] {
  if (bound !== "::" && bound !== "0.0.0.0") return [bound];
  const all = Deno.networkInterfaces()
    .filter(({ family }) => bound === "::" || family === "IPv4")
    .map(({ address }) => address);
  const useful = all.filter((address) => !["loopback", "link"].includes(scopeOf(address)));
  if (useful.length === 0) return ["127.0.0.1"];
  return useful.toSorted((a, b) => Number(a.includes(":")) - Number(b.includes(":"))); // IPv4 first
}
