/**
 * The addresses of a direct chat: which of its own a host tells, which of the told ones a joiner may try, and what a
 * way is called.
 * @module
 */
import { BlockList } from "node:net";
import { type Endpoint, MAX_CHAT_ADDRESSES, type Place } from "../../protocol/chat_messages.ts";
import type { Route } from "../../protocol/peer_messages.ts";

export type InterfaceAddress = Pick<Deno.NetworkInterfaceInfo, "address" | "cidr">;

export type AddressScope = "loopback" | "link" | "private" | "public" | "unusable";

/**
 * How far an address reaches.
 *
 * @param address IPv4 in dotted form, or IPv6.
 * @returns `link` needs an interface's name and is of no use to others; `unusable` is no address of one machine.
 */
export function scopeOf(address: string): AddressScope {
  return address.includes(":") ? scopeOf6(address.toLowerCase()) : scopeOf4(address);
}

export function ownAddresses(interfaces: readonly InterfaceAddress[] = listInterfaces()): string[] {
  const usable = interfaces.map((one) => one.address).filter((address) => {
    const scope = scopeOf(address);
    return scope === "public" || scope === "private";
  });
  return [...new Set(usable)].slice(0, MAX_CHAT_ADDRESSES - 2);
}

/**
 * Of the endpoints that a friend named, those worth an attempt.
 *
 * @param endpoints As they came from the other side.
 * @param options.isLoopbackFine Whether this machine itself may be meant: only when it reaches the server there too.
 *   Otherwise a friend could make this program knock on doors inside this machine.
 */
export function usableEndpoints<E extends Endpoint>(
  endpoints: readonly E[],
  options: { isLoopbackFine: boolean },
): E[] {
  const seen = new Set<string>();
  return endpoints.filter((endpoint) => {
    const key = `${endpoint.address} ${endpoint.port}`;
    if (seen.has(key)) return false;
    seen.add(key);
    const scope = scopeOf(endpoint.address);
    return scope === "public" || scope === "private" || (scope === "loopback" && options.isLoopbackFine);
  }).slice(0, MAX_CHAT_ADDRESSES + 1);
}

/** What the way to a place is called when it was dialled. */
export function routeTo(place: Place, interfaces: readonly InterfaceAddress[] = listInterfaces()): Route {
  const isNear = interfaces.some(({ cidr }) => isInside(place.address, cidr));
  if (isNear || scopeOf(place.address) !== "public") return "direct, LAN";
  if (place.kind === "mapped") return "direct, mapped";
  return place.address.includes(":") ? "direct, IPv6" : "direct, internet";
}

/** Whether an address is in a network such as `192.168.1.2/24`. */
function isInside(address: string, cidr: string): boolean {
  const [network = "", length = "0"] = cidr.split("/");
  const family = network.includes(":") ? "ipv6" : "ipv4";
  if (address.includes(":") !== network.includes(":")) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(length), family);
  return list.check(address, family);
}

function listInterfaces(): InterfaceAddress[] {
  return Deno.networkInterfaces();
}

/** @see RFC 6890 for the ranges. */
function scopeOf4(address: string): AddressScope {
  const [a = 0, b = 0] = address.split(".").map(Number);
  if (a === 127) return "loopback";
  if (a === 169 && b === 254) return "link";
  if (a === 0 || a >= 224) return "unusable";
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ||
    (a === 100 && b >= 64 && b < 128);
  return isPrivate ? "private" : "public";
}

/** @see RFC 4291 §2.4, RFC 4193 for `fc00::/7`. */
function scopeOf6(address: string): AddressScope {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  if (mapped) return scopeOf4(mapped);
  if (address === "::1") return "loopback";
  if (address.startsWith("::") || address.startsWith("ff")) return "unusable";
  if (/^fe[89ab]/.test(address)) return "link";
  return /^f[cd]/.test(address) ? "private" : "public";
}
