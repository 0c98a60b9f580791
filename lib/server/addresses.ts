/**
 * The addresses at which a server can be reached, for the greeting it prints.
 * @module
 */

/**
 * Lists the addresses that others may use, the most useful first.
 *
 * @param bound Address that the server listens on; `::` and `0.0.0.0` stand for all of this machine's.
 * @returns IP addresses; loopback only when there is nothing else. Link-local ones are left out: they need a zone.
 */
export function reachableAddresses(bound: string): string[] {
  if (bound !== "::" && bound !== "0.0.0.0") return [bound];
  const all = Deno.networkInterfaces()
    .filter(({ family }) => bound === "::" || family === "IPv4")
    .map(({ address }) => address);
  const useful = all.filter((address) => !isLoopback(address) && !isLinkLocal(address));
  const ordered = [
    ...useful.filter((address) => !address.includes(":")),
    ...useful.filter((a) => a.includes(":")),
  ];
  return ordered.length > 0 ? ordered : ["127.0.0.1"];
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab]/i.test(address);
}
