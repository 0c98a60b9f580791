/**
 * Asking the router at home to forward a port: UPnP first, then NAT-PMP. Only when the person says so, and taken back.
 * @module
 */
import { type Gateway, pmpNat, upnpNat } from "@achingbrain/nat-port-mapper";
import { LinkError, messageOf } from "../errors.ts";
import type { Endpoint } from "../protocol/chat_messages.ts";
import { scopeOf } from "./addresses.ts";

/** Where the router listens for us. */
export type MappedPort = Endpoint;

/** A port that the router forwards now. */
export interface PortMapping {
  /** The address and port that the router gave. */
  readonly outside: MappedPort;
  /** Takes it back; never rejects. */
  remove(): Promise<void>;
}

/** Something that makes routers forward ports. */
export interface PortMapper {
  /**
   * Asks for one TCP port.
   *
   * @param port Port that this machine listens on.
   * @param addresses Addresses of this machine.
   * @throws {LinkError} When no router does it, and why.
   */
  map(port: number, addresses: readonly string[]): Promise<PortMapping>;
}

/** How long the search for a router that forwards may take. */
const SEARCH_MS = 6_000;
/** How long taking it back may take: the person waits. */
const REMOVE_MS = 3_000;
/** A forgotten mapping ends by itself after this long; it is renewed while the chat lasts. */
const LEASE_MS = 60 * 60_000;

/** Speaks to the real router. */
export const routerPortMapper: PortMapper = {
  async map(port: number, addresses: readonly string[]): Promise<PortMapping> {
    const inside = addresses.find((address) => !address.includes(":") && scopeOf(address) === "private");
    if (!inside) throw new LinkError("this machine is not behind a home router");
    try {
      return await mapByUpnp(port, inside);
    } catch (upnpError) {
      try {
        return await mapAt(pmpNat(guessGateway(inside)), port, inside);
      } catch (error) {
        throw new LinkError(`the router does not do it (UPnP: ${messageOf(upnpError)})`, { cause: error });
      }
    }
  },
};

async function mapByUpnp(port: number, inside: string): Promise<PortMapping> {
  const signal = AbortSignal.timeout(SEARCH_MS);
  let failure: unknown = new LinkError("no router answered");
  for await (const gateway of upnpNat().findGateways({ signal })) {
    if (gateway.family !== "IPv4") continue;
    try {
      return await mapAt(gateway, port, inside);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function mapAt(gateway: Gateway, port: number, inside: string): Promise<PortMapping> {
  const remove = () => gateway.stop({ signal: AbortSignal.timeout(REMOVE_MS) }).catch(() => {});
  try {
    const mapping = await gateway.map(port, inside, {
      protocol: "tcp",
      ttl: LEASE_MS,
      description: "mini-chat direct chat",
      signal: AbortSignal.timeout(SEARCH_MS),
    });
    if (scopeOf(mapping.externalHost) !== "public") {
      throw new LinkError(`the router itself is behind another one, at ${mapping.externalHost}`);
    }
    return { outside: { address: mapping.externalHost, port: mapping.externalPort }, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** NAT-PMP has no search; nearly every home router is the first address of its network. */
function guessGateway(inside: string): string {
  return inside.replace(/\d+$/, "1");
}
