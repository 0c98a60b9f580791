import { type Gateway, pmpNat, upnpNat } from "@achingbrain/nat-port-mapper";
import { scopeOf } from "../addresses.ts";
import { ConnectionError, messageOf } from "../errors.ts";
import type { Endpoint } from "../protocol/chat_messages.ts";

export interface PortMapping {
  readonly outside: Endpoint;
  remove(): Promise<void>; // takes it back; never rejects
}

/** How long the search for a router that speaks UPnP may take, and how long any router's answer. */
const SEARCH_MS = 4_000;
const ANSWER_MS = 3_000;
const REMOVE_MS = 3_000; // the person waits for it
/** A forgotten mapping ends by itself after this long; UPnP ones are renewed while the chat lasts. */
const UPNP_LEASE = { ttl: 60 * 60_000, autoRefresh: true };
/**
 * RFC 6886 §3.3 recommends two hours. The library hands `ttl` on in seconds here, and would renew by the same number in milliseconds, which is at once: so it
 * renews nothing. A chat that runs by then goes on, as routers keep what is connected.
 */
const PMP_LEASE = { ttl: 7_200, autoRefresh: false };

/** Asks the router at home to forward a port: UPnP first, then NAT-PMP. Throws one clause that says why it does not. */
export async function mapPort(port: number, addresses: readonly string[]): Promise<PortMapping> {
  const inside = addresses.find((address) => !address.includes(":") && scopeOf(address) === "private");
  if (!inside) throw new ConnectionError("this machine is not behind a home router");
  try {
    return await mapByUpnp(port, inside);
  } catch (upnpError) {
    try {
      return await mapAt(pmpNat(guessGateway(inside)), port, inside, PMP_LEASE);
    } catch (error) {
      throw new ConnectionError(`the router refused (UPnP: ${messageOf(upnpError)})`, {
        cause: error,
      });
    }
  }
}

/** A router that would forward ports, and the address that it has outside; nothing is changed there. */
export interface FoundRouter {
  readonly by: "UPnP" | "NAT-PMP";
  readonly outside: string;
}

/** Looks for a router that forwards ports on request; null where none answers. Throws the signal's reason alone. */
export async function findRouter(
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<FoundRouter | null> {
  const inside = addresses.find((address) => !address.includes(":") && scopeOf(address) === "private");
  if (!inside) return null;
  const found = await Promise.any([searchUpnp(signal), askPmp(guessGateway(inside), signal)]).catch(() =>
    null
  );
  signal.throwIfAborted();
  return found;
}

async function searchUpnp(signal: AbortSignal): Promise<FoundRouter> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(SEARCH_MS)]);
  for await (const gateway of upnpNat().findGateways({ signal: within })) {
    if (gateway.family === "IPv4") {
      return { by: "UPnP", outside: await gateway.externalIp({ signal: within }) };
    }
  }
  throw new ConnectionError("no router answered");
}

async function askPmp(address: string, signal: AbortSignal): Promise<FoundRouter> {
  const gateway = pmpNat(address);
  const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    return { by: "NAT-PMP", outside: await gateway.externalIp({ signal: within }) };
  } finally {
    await gateway.stop({ signal: AbortSignal.timeout(REMOVE_MS) }).catch(() => {});
  }
}

async function mapByUpnp(port: number, inside: string): Promise<PortMapping> {
  const signal = AbortSignal.timeout(SEARCH_MS);
  let failure: unknown = new ConnectionError("no router answered");
  for await (const gateway of upnpNat().findGateways({ signal })) {
    if (gateway.family !== "IPv4") continue;
    try {
      return await mapAt(gateway, port, inside, UPNP_LEASE);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function mapAt(
  gateway: Gateway,
  port: number,
  inside: string,
  lease: typeof UPNP_LEASE,
): Promise<PortMapping> {
  const remove = () => gateway.stop({ signal: AbortSignal.timeout(REMOVE_MS) }).catch(() => {});
  try {
    const mapping = await gateway.map(port, inside, {
      protocol: "tcp",
      ...lease,
      description: "mini-chat direct chat",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (scopeOf(mapping.externalHost) !== "public") {
      throw new ConnectionError(`the router itself is behind another one, at ${mapping.externalHost}`);
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
