import { BlockList } from "node:net";
import { networkInterfaces, scopeOf } from "../../addresses.ts";
import { type Endpoint, MAX_CHAT_ADDRESSES, type Place } from "../../protocol/chat_messages.ts";
import type { Route } from "../../protocol/peer_messages.ts";

type Interface = Pick<Deno.NetworkInterfaceInfo, "address" | "cidr">;

/** Addresses of this machine that others can reach, in the order of its interfaces. */
export function ownAddresses(interfaces: readonly Interface[] = networkInterfaces()): string[] {
  const usable = interfaces.map(({ address }) => address).filter((address) => reachesFar(address));
  return [...new Set(usable)].slice(0, MAX_CHAT_ADDRESSES - 2);
}

/**
 * Of the endpoints that a friend named, those worth an attempt.
 * @param serverAddress This machine itself may be meant only when its server is reached there too. Otherwise a friend
 *   could make this program knock on doors inside this machine.
 */
export function usableEndpoints<E extends Endpoint>(endpoints: readonly E[], serverAddress: string): E[] {
  const isLoopbackFine = scopeOf(serverAddress) === "loopback";
  const seen = new Set<string>();
  return endpoints.filter(({ address, port }) => {
    const key = `${address} ${port}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return reachesFar(address) || (isLoopbackFine && scopeOf(address) === "loopback");
  }).slice(0, MAX_CHAT_ADDRESSES + 1);
}

export function routeTo(place: Place, interfaces: readonly Interface[] = networkInterfaces()): Route {
  const isNear = interfaces.some(({ cidr }) => isInside(place.address, cidr));
  if (isNear || scopeOf(place.address) !== "public") return "direct, LAN";
  if (place.kind === "mapped") return "direct, mapped";
  return place.address.includes(":") ? "direct, IPv6" : "direct, internet";
}

function reachesFar(address: string): boolean {
  const scope = scopeOf(address);
  return scope === "public" || scope === "private";
}

/** Whether an address is in a network such as `192.168.1.2/24`. */
function isInside(address: string, cidr: string): boolean {
  const [network = "", length = "0"] = cidr.split("/");
  if (address.includes(":") !== network.includes(":")) return false;
  const family = network.includes(":") ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, Number(length), family);
  return list.check(address, family);
}
