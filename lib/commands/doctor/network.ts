// What `doctor` says of direct chats: which way they will probably take.
import { networkInterfaces, scopeOf } from "../../addresses.ts";
import { error, type Finding, ok, warning } from "../../findings/finding.ts";
import { findOutlook } from "../../peer/outlook.ts";
import { findRouter, type FoundRouter } from "../../peer/port_mapping.ts";
import type { ServerDoor } from "../../peer/rendezvous.ts";
import { safeText } from "../../terminal/safe_text.ts";

/** What stands between this machine and its friends, as far as the server can tell. */
export async function* examineOutlook(
  server: ServerDoor,
  router: Promise<FoundRouter | null>,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  if (scopeOf(server.address) === "loopback") {
    return yield ok(
      "direct",
      "The server is on this machine, so it cannot tell how this machine looks from outside.",
    );
  }
  const { between, seen } = await findOutlook(server, signal);
  const outside = seen === null ? "" : `${safeText(seen.address)}, port ${seen.port}`;
  const mapped = await router;
  switch (between) {
    case "unknown":
      return yield error(
        "direct",
        "The server does not say how this machine looks from outside.",
        "Direct chats may still go through the server; ask its operator whether the server is up to date.",
      );
    case "none":
      yield ok(
        "direct",
        `The server sees this machine's own address, ${outside}: direct chats need no help.`,
      );
      break;
    case "keeps_ports":
      yield ok(
        "direct",
        `A router in between keeps port numbers (${outside}): direct chats get through most routers.`,
      );
      break;
    case "changes_ports":
      yield mapped
        ? ok(
          "direct",
          `A router in between changes port numbers (${outside}), but forwards on request.`,
          "Use host FRIEND --map-port for a direct line; else lines are relayed.",
        )
        : warning(
          "direct",
          `A router in between changes port numbers (${outside}): lines of most direct chats go through the server.`,
          "That works, and the server cannot read them. For a direct line, switch on UPnP in the router and use --map-port.",
        );
  }
  if (mapped) yield describeRouter(mapped);
  else if (between === "keeps_ports") {
    yield ok(
      "router",
      "No router here forwards ports on request (UPnP, NAT-PMP); direct chats seldom need it.",
    );
  }
}

/** Looks for a router that forwards ports, without changing anything there. */
export function searchRouter(signal: AbortSignal): Promise<FoundRouter | null> {
  return findRouter(networkInterfaces().map(({ address }) => address), signal);
}

function describeRouter({ by, outside }: FoundRouter): Finding {
  if (outside === "") {
    return warning(
      "router",
      `It forwards ports on request (${by}), but does not know its own address outside.`,
      "Look whether the router is online; host FRIEND --map-port may not work.",
    );
  }
  const address = safeText(outside);
  if (scopeOf(outside) === "public") {
    return ok(
      "router",
      `It forwards ports on request (${by}), from ${address}: host FRIEND --map-port works.`,
    );
  }
  return warning(
    "router",
    `It forwards ports on request (${by}), but is itself behind another router, at ${address}.`,
    "Friends outside cannot use such a port; leave --map-port out.",
  );
}
