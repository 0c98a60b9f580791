/**
 * Places where two people and a server stand, without a NAT between them.
 * @module
 */
import { LabNetwork, type LabNode } from "./network.ts";

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

const SERVER = "203.0.113.10";
const SERVER_6 = "2001:db8:0:1::10";

/** Everyone at one switch; the server is reached over the same wire. */
export async function buildSameLan(): Promise<LabSite> {
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

/** Two networks that both reach the server, and a router that passes nothing between them. */
export async function buildServerOnly(): Promise<LabSite> {
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
export async function buildIpv6(firewalled: boolean): Promise<LabSite> {
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

function port(node: LabNode, name: string): { node: LabNode; interface: string } {
  return { node, interface: name };
}

/**
 * Builds a site around its three machines.
 *
 * @param serverAddress Address that the server gets.
 * @param connect Lays the cables; what it has built is taken down when it fails.
 */
export async function buildSite(
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
