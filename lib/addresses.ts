/**
 * IP addresses, those of this machine, ports, and how a host and a port are written.
 * @module
 */
import ipaddr from "ipaddr.js";
import { quote, UsageError } from "./errors.ts";

/** `link` needs an interface's name and is of no use to others; `unusable` is no address of one machine. */
export type AddressScope = "loopback" | "link" | "private" | "public" | "unusable";

/** Every network that is not `public` (RFC 6890); the first that fits counts. Those for documentation are public. */
const NETWORKS: Record<Exclude<AddressScope, "public">, string[]> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  link: ["169.254.0.0/16", "fe80::/10"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"],
  unusable: [
    "0.0.0.0/8",
    "192.0.0.0/24", // between a home and its provider's translator (RFC 7335)
    "198.18.0.0/15", // benchmarks (RFC 2544)
    "224.0.0.0/3",
    "::/8", // with 64:ff9b::/96: an IPv4 address behind a translator (RFC 6052)
    "ff00::/8",
  ],
};
let subnets: Record<string, [ipaddr.IPv4 | ipaddr.IPv6, number][]> | undefined; // `NETWORKS`, parsed when first asked for

/**
 * The one spelling of an IP address that throttles, logs and people see: a socket that listens on `::` shows an IPv4
 * caller as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2), which is the same caller as `a.b.c.d`.
 * @param address What the runtime says; anything that is no IP address stays as it is.
 */
export function normalizeAddress(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}

/**
 * The part of an address that one household or host can choose freely, for counting callers.
 * @returns An IPv4 address whole; an IPv6 address cut to its /64, since one customer gets at least that many
 *   (RFC 6177 §2), as four groups and `::/64`.
 */
export function addressGroup(address: string): string {
  return firstParts(address, 4);
}

/** The part of an address that a provider gives one customer at most: an IPv4 address, or an IPv6 /48. */
export function addressSite(address: string): string {
  return firstParts(address, 3);
}

function firstParts(address: string, amount: number): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const parts = parsed.parts.slice(0, amount).map((group) => group.toString(16));
  return `${parts.join(":")}::/${amount * 16}`;
}

/** A range of IP addresses. */
export class Network {
  readonly #first: ipaddr.IPv4 | ipaddr.IPv6;
  readonly #bits: number;

  private constructor(first: ipaddr.IPv4 | ipaddr.IPv6, bits: number) {
    this.#first = first;
    this.#bits = bits;
  }

  /** Reads a prefix such as `192.0.2.0/24`, or an address, which is the range that {@linkcode addressGroup} says; null for anything else. */
  static parse(text: string): Network | null {
    const [, start = ""] = /^([^/]*)(\/\d+)?$/.exec(text) ?? [];
    // `10/8` would be read as 0.0.0.10/8.
    if (!start.includes(":") && !ipaddr.IPv4.isValidFourPartDecimal(start)) return null;
    try {
      if (start === text) return ipaddr.isValid(text) ? Network.parse(wholeGroup(text)) : null;
      const [address, bits] = ipaddr.parseCIDR(text);
      if (address instanceof ipaddr.IPv4) {
        return new Network(ipaddr.IPv4.networkAddressFromCIDR(text), bits);
      }
      // ::ffff:a.b.c.d are callers with the address a.b.c.d.
      if (address.isIPv4MappedAddress() && bits >= 96) {
        return Network.parse(`${address.toIPv4Address()}/${bits - 96}`);
      }
      return new Network(ipaddr.IPv6.networkAddressFromCIDR(text), bits);
    } catch {
      return null;
    }
  }

  includes(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    return parsed.kind() === this.#first.kind() && parsed.match(this.#first, this.#bits);
  }

  /** The one spelling of it. */
  toString(): string {
    return `${this.#first}/${this.#bits}`;
  }

  /** How many bits its addresses have in common, and a name for those bits. */
  get prefix(): { readonly bits: number; readonly key: string } {
    return { bits: this.#bits, key: prefixOf(this.#first.toByteArray(), this.#bits) };
  }
}

/** What belongs to ranges of addresses. To find it costs as much among thousands of ranges as among a few. */
export class NetworkMap<Thing> {
  readonly #things = new Map<string, Thing[]>(); // by prefix
  readonly #lengths = new Set<number>(); // of the prefixes, in bits

  get isEmpty(): boolean {
    return this.#things.size === 0;
  }

  add(network: Network, thing: Thing): void {
    const { bits, key } = network.prefix;
    this.#lengths.add(bits);
    const there = this.#things.get(key);
    if (there) there.push(thing);
    else this.#things.set(key, [thing]);
  }

  /** One that is meant, of the ranges that an address is in. */
  find(address: string, isMeant: (thing: Thing) => boolean): Thing | undefined {
    if (!ipaddr.isValid(address)) return undefined;
    const bytes = ipaddr.process(address).toByteArray();
    for (const bits of this.#lengths) {
      const found = bits > bytes.length * 8
        ? undefined
        : this.#things.get(prefixOf(bytes, bits))?.find(isMeant);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** The first bits of an address, with their number and the address's length: those of two addresses are equal or not. */
function prefixOf(bytes: readonly number[], bits: number): string {
  const whole = bits >> 3;
  const rest = bits % 8 === 0 ? "" : `.${bytes[whole]! >> (8 - bits % 8)}`;
  return `${bytes.length}/${bits}:${bytes.slice(0, whole).join(".")}${rest}`;
}

function wholeGroup(address: string): string {
  const group = addressGroup(address);
  return group.includes("/") ? group : `${group}/32`;
}

export function scopeOf(address: string): AddressScope {
  if (!ipaddr.isValid(address)) return "unusable";
  subnets ??= Object.fromEntries(
    Object.entries(NETWORKS).map(([scope, networks]) => [scope, networks.map(ipaddr.parseCIDR)]),
  );
  return ipaddr.subnetMatch(ipaddr.process(address), subnets, "public") as AddressScope;
}

let knownInterfaces: readonly Deno.NetworkInterfaceInfo[] = [];

/**
 * The network interfaces of this machine. Where the system does not say, as while no more files may be opened, it is what it last
 * said: nobody takes that for a change of network. None where it never did.
 */
export function networkInterfaces(): readonly Deno.NetworkInterfaceInfo[] {
  try {
    knownInterfaces = Deno.networkInterfaces();
  } catch {
    // As before.
  }
  return knownInterfaces;
}

/** Writes a host and a port as one: `chat.example.org:7667`, `[2001:db8::1]:7667`. */
export function formatHostAndPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads what `formatHostAndPort` writes, with a port from `leastPort` up; null for anything else. */
export function parseHostAndPort(text: string, leastPort = 1): { host: string; port: number } | null {
  const [, bracketed, plain, port = ""] = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  return host === undefined || !isPort(port, leastPort) ? null : { host, port: Number(port) };
}

/** Whether a text is the number of a TCP port, `least` or more. */
export function isPort(text: string, least = 1): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= least && Number(text) <= 65_535;
}

/** @throws {UsageError} When the text is no port from 1 up. */
export function parsePort(text: string): number {
  if (isPort(text)) return Number(text);
  throw new UsageError(`Cannot use port as it must be a number from 1 to 65535: received ${quote(text)}`);
}
