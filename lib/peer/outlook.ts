// What a direct chat from this machine has to expect, found out without one: what stands between it and the server, and whether
// a router would forward a port on request.
import { networkInterfaces } from "../addresses.ts";
import { closeQuietly } from "../net/byte_stream.ts";
import type { Endpoint } from "../protocol/chat_messages.ts";
import type { ServerDoor } from "./rendezvous.ts";
import { askOutside, findFreePort } from "./route/punch.ts";

/**
 * `none`: the server sees this machine's own address. `keeps_ports`: a router in between gives each port its own number outside,
 * so that a friend can be told where to knock. `changes_ports`: it does not. `unknown`: the server does not say.
 */
export interface Outlook {
  readonly between: "none" | "keeps_ports" | "changes_ports" | "unknown";
  readonly seen: Endpoint | null; // as the server sees the first port; null where it does not say
}

/** Asks the server from two ports how they look from outside. Throws the signal's reason alone. */
export async function findOutlook(server: ServerDoor, signal: AbortSignal): Promise<Outlook> {
  const ports = [findFreePort(), findFreePort()];
  const answers = await Promise.all(ports.map((port) => askOutside(server, port, signal)));
  for (const answer of answers) if (answer) closeQuietly(answer.stream);
  const seen = answers[0]?.seen ?? null;
  if (seen === null || answers.some((answer) => answer === undefined)) return { between: "unknown", seen };
  const isKept = answers.every((answer, index) => answer!.seen.port === ports[index]);
  const isOwn = networkInterfaces().some(({ address }) => address === seen.address);
  return { between: !isKept ? "changes_ports" : isOwn ? "none" : "keeps_ports", seen };
}
