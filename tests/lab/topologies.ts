/**
 * The networks in which direct chat must link two people: where the machines stand, and what is between them.
 * @module
 */
import { forwardOnRequest } from "./forwarding.ts";
import { LabNetwork, type LabNode, type RouterKind } from "./network.ts";

/** A network that is up, with a public server and two people in it. */
export type LabSite = AsyncDisposable & {
  readonly network: LabNetwork;
  readonly server: LabNode;
  /** Address at which both people reach the server. */
  readonly serverAddress: string;
  /** The host of the chat. */
  readonly ana: LabNode;
  /** The joiner. */
  readonly bob: LabNode;
};

/** One row of the lab's table. */
export type Topology = {
  /** What the table calls it. */
  readonly title: string;
  /** Routes that physics allows here; anything else makes the row fail. */
  readonly expected: readonly string[];
  /** Flags that the host adds to its `host` command. */
  readonly hostFlags?: string;
  /** Program without which this row cannot be built. */
  readonly needs?: string;
  /** Builds it. The caller disposes of the site. */
  readonly build: () => Promise<LabSite>;
};

const SERVER = "203.0.113.10";
const SERVER_6 = "2001:db8:0:1::10";

/** Every row, in the order of the table. */
export const TOPOLOGIES: readonly Topology[] = [
  { title: "same LAN", expected: ["direct, LAN"], build: buildSameLan },
  {
    title: "both behind NAT, dropping",
    expected: ["direct, punched"],
    build: () => buildNats("drop", "drop"),
  },
  {
    title: "both behind NAT, resetting",
    expected: ["direct, punched"],
    build: () => buildNats("reset", "reset"),
  },
  { title: "symmetric NAT on one side", expected: ["relayed"], build: () => buildNats("symmetric", "drop") },
  {
    title: "symmetric NAT on both sides",
    expected: ["relayed"],
    build: () => buildNats("symmetric", "symmetric"),
  },
  {
    title: "router forwards on request (UPnP)",
    expected: ["direct, mapped"],
    hostFlags: "--map-port",
    needs: "miniupnpd",
    build: buildUpnp,
  },
  { title: "no route but the server", expected: ["relayed"], build: buildServerOnly },
  { title: "IPv6 only", expected: ["direct, IPv6"], build: () => buildIpv6(false) },
  { title: "IPv6 only, both firewalled", expected: ["direct, punched"], build: () => buildIpv6(true) },
  { title: "host public, joiner behind NAT", expected: ["direct, internet"], build: buildPublicHost },
];

/** Everyone at one switch; the server is reached over the same wire. */
async function buildSameLan(): Promise<LabSite> {
  return await buildSite("192.168.1.10", async (network, { server, ana, bob }) => {
    const lan = await network.addNode("lan");
    await network.addCable(port(lan, "p1"), {
      node: server,
      interface: "eth0",
      addresses: ["192.168.1.10/24"],
    });
    await network.addCable(port(lan, "p2"), { node: ana, interface: "eth0", addresses: ["192.168.1.2/24"] });
    await network.addCable(port(lan, "p3"), { node: bob, interface: "eth0", addresses: ["192.168.1.3/24"] });
    await network.addBridge(lan, ["p1", "p2", "p3"]);
  });
}

/** A public server, and both people behind routers of their own, with the very same private addresses. */
async function buildNats(
  anaKind: RouterKind,
  bobKind: RouterKind,
  options: { wan?: string; onAnasRouter?: (network: LabNetwork, router: LabNode) => Promise<void> } = {},
): Promise<LabSite> {
  const { wan = "203.0.113", onAnasRouter } = options;
  return await buildSite(`${wan}.10`, async (network, { server, ana, bob }) => {
    const internet = await network.addNode("net");
    await network.addCable(port(internet, "p1"), {
      node: server,
      interface: "eth0",
      addresses: [`${wan}.10/24`],
    });
    const router = await addHome(network, internet, "p2", {
      person: ana,
      kind: anaKind,
      outside: `${wan}.21/24`,
    });
    await addHome(network, internet, "p3", { person: bob, kind: bobKind, outside: `${wan}.22/24` });
    await network.addBridge(internet, ["p1", "p2", "p3"]);
    await onAnasRouter?.(network, router);
  });
}

/** The host's router forwards a port when it is asked; the joiner's NAT cannot be punched. */
async function buildUpnp(): Promise<LabSite> {
  // The router refuses to forward where its own address is reserved, as those of the other rows are.
  return await buildNats("drop", "symmetric", { wan: "20.30.40", onAnasRouter: forwardOnRequest });
}

/** The host has a public address of its own; the joiner is behind a router. */
async function buildPublicHost(): Promise<LabSite> {
  return await buildSite(SERVER, async (network, { server, ana, bob }) => {
    const internet = await network.addNode("net");
    await network.addCable(port(internet, "p1"), {
      node: server,
      interface: "eth0",
      addresses: [`${SERVER}/24`],
    });
    await network.addCable(port(internet, "p2"), {
      node: ana,
      interface: "eth0",
      addresses: ["203.0.113.21/24"],
    });
    await addHome(network, internet, "p3", { person: bob, kind: "drop", outside: "203.0.113.22/24" });
    await network.addBridge(internet, ["p1", "p2", "p3"]);
  });
}

/** Two networks that both reach the server, and a router that passes nothing between them. */
async function buildServerOnly(): Promise<LabSite> {
  return await buildSite(SERVER, async (network, { server, ana, bob }) => {
    const router = await network.addNode("rt");
    await network.addCable({ node: router, interface: "srv", addresses: ["203.0.113.1/24"] }, {
      node: server,
      interface: "eth0",
      addresses: [`${SERVER}/24`],
    });
    await network.addCable({ node: router, interface: "a", addresses: ["198.51.100.1/24"] }, {
      node: ana,
      interface: "eth0",
      addresses: ["198.51.100.2/24"],
    });
    await network.addCable({ node: router, interface: "b", addresses: ["192.0.2.1/24"] }, {
      node: bob,
      interface: "eth0",
      addresses: ["192.0.2.2/24"],
    });
    await network.addDefaultRoute(server, "203.0.113.1");
    await network.addDefaultRoute(ana, "198.51.100.1");
    await network.addDefaultRoute(bob, "192.0.2.1");
    await network.allowForwarding(router);
    await network.setRules(
      router,
      `table ip lab { chain through { type filter hook forward priority 0;
        iifname "a" oifname "b" drop
        iifname "b" oifname "a" drop
      }
      }`,
    );
  });
}

/** Public IPv6 everywhere and no IPv4 at all; with firewalls, unknown inbound is dropped in front of both people. */
async function buildIpv6(firewalled: boolean): Promise<LabSite> {
  return await buildSite(SERVER_6, async (network, { server, ana, bob }) => {
    const router = await network.addNode("rt");
    for (const [node, name, subnet] of [[server, "srv", 1], [ana, "a", 2], [bob, "b", 3]] as const) {
      await network.addCable({ node: router, interface: name, addresses: [`2001:db8:0:${subnet}::1/64`] }, {
        node,
        interface: "eth0",
        addresses: [`2001:db8:0:${subnet}::10/64`],
      });
      await network.addDefaultRoute(node, `2001:db8:0:${subnet}::1`);
    }
    await network.allowForwarding(router);
    if (firewalled) await addIpv6Firewalls(network, ana, bob);
  });
}

/** Drops unknown inbound at each person's door, as the routers of most homes do. */
async function addIpv6Firewalls(network: LabNetwork, ...people: LabNode[]): Promise<void> {
  for (const person of people) {
    await network.setRules(
      person,
      `table ip6 lab { chain in { type filter hook input priority 0;
        iifname "eth0" meta l4proto tcp ct state { new, invalid } drop
      }
      }`,
    );
  }
}

/** A home: a router to the internet, and one person behind it at 192.168.1.2. */
async function addHome(
  network: LabNetwork,
  internet: LabNode,
  internetPort: string,
  home: { readonly person: LabNode; readonly kind: RouterKind; readonly outside: string },
): Promise<LabNode> {
  const router = await network.addNode(`${home.person.name}-rt`);
  await network.addCable(port(internet, internetPort), {
    node: router,
    interface: "wan",
    addresses: [home.outside],
  });
  await network.addCable({ node: router, interface: "lan", addresses: ["192.168.1.1/24"] }, {
    node: home.person,
    interface: "eth0",
    addresses: ["192.168.1.2/24"],
  });
  await network.addDefaultRoute(home.person, "192.168.1.1");
  await network.makeRouter(router, home.kind);
  return router;
}

function port(node: LabNode, name: string): { node: LabNode; interface: string } {
  return { node, interface: name };
}

async function buildSite(
  serverAddress: string,
  connect: (network: LabNetwork, people: { server: LabNode; ana: LabNode; bob: LabNode }) => Promise<void>,
): Promise<LabSite> {
  const network = new LabNetwork();
  try {
    const server = await network.addNode("server");
    const ana = await network.addNode("ana");
    const bob = await network.addNode("bob");
    await connect(network, { server, ana, bob });
    return {
      network,
      server,
      serverAddress,
      ana,
      bob,
      [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
    };
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}
