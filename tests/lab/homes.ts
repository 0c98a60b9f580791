/**
 * Homes behind routers with NAT, on an internet in which the server stands.
 * @module
 */
import type { LabNetwork, LabNode, RouterKind } from "./network.ts";
import { buildSite, type LabSite } from "./sites.ts";

/** Addresses of the internet, unless said otherwise: their first three parts. */
const INTERNET = "203.0.113";
/** Address of the router of bob's home, as the internet sees it. */
export const BOBS_ROUTER = `${INTERNET}.22`;
/** Addresses in every home: their first three parts. */
const HOME = "192.168.1";
/** Addresses in the network of a phone: their first three parts. */
const PHONE = "192.168.43";
/** Addresses between a home and its carrier's NAT: their first three parts (RFC 6598). */
const CARRIER = "100.64.0";

/** What is special about a pair of homes. */
export type HomesOptions = {
  /** First three parts of the internet's addresses. */
  readonly internet?: string;
  /** After how many seconds of silence the routers forget a connection; days by default. */
  readonly forgetsAfterS?: number;
  /** Whether bob's router is behind the NAT of a carrier. */
  readonly isDouble?: boolean;
  /** Who has a phone nearby, to go on with when the network at home is gone: see {@linkcode moveToPhone}. */
  readonly mover?: "ana" | "bob";
  /** Called with the router of ana's home when all is up. */
  readonly onAnasRouter?: (network: LabNetwork, router: LabNode) => Promise<void>;
};

/**
 * Two people at home, with the very same private addresses. Their routers are called `ana-rt` and `bob-rt`.
 *
 * @param anasRouter What stands before ana; `none` gives her machine a public address of its own.
 * @param bobsRouter What stands before bob.
 */
export async function buildHomes(
  anasRouter: RouterKind | "none",
  bobsRouter: RouterKind,
  options: HomesOptions = {},
): Promise<LabSite> {
  const { internet: subnet = INTERNET, isDouble = false, mover, onAnasRouter } = options;
  return await buildSite(`${subnet}.10`, async (network, { server, ana, bob }) => {
    await using internet = await Internet.open(network, subnet);
    await internet.plug(server, "eth0", 10);
    const kinds = { ana: anasRouter === "none" ? "drop" : anasRouter, bob: bobsRouter };
    if (anasRouter === "none") await internet.plug(ana, "eth0", 21);
    else {
      const router = await addHome(network, ana, kinds.ana, options);
      await internet.plug(router, "wan", 21);
      await onAnasRouter?.(network, router);
    }
    const router = await addHome(network, bob, kinds.bob, options);
    if (isDouble) await internet.plug(await addCarrier(network, router), "wan", 22);
    else await internet.plug(router, "wan", 22);
    if (mover) await internet.plug(await addPhone(network, { ana, bob }[mover], kinds[mover]), "wan", 31);
  });
}

/** Both people behind one router, whose public address cannot be reached from inside. */
export async function buildOneHome(): Promise<LabSite> {
  return await buildSite(`${INTERNET}.10`, async (network, { server, ana, bob }) => {
    await using internet = await Internet.open(network, INTERNET);
    await internet.plug(server, "eth0", 10);
    const router = await network.addNode("rt");
    await internet.plug(router, "wan", 21);
    const lan = await network.addNode("lan");
    for (const [node, name, lastPart] of [[router, "lan", 1], [ana, "eth0", 2], [bob, "eth0", 3]] as const) {
      await network.addCable({ node: lan, interface: `p${lastPart}` }, {
        node,
        interface: name,
        addresses: [`${HOME}.${lastPart}/24`],
      });
    }
    await network.addBridge(lan, ["p1", "p2", "p3"]);
    for (const person of [ana, bob]) await network.addDefaultRoute(person, `${HOME}.1`);
    await network.makeRouter(router, "drop");
    await network.setRules(
      router,
      `table ip hairpin { chain in { type filter hook input priority 0;
        iifname "lan" ip daddr ${INTERNET}.21 drop
      }
      }`,
    );
  });
}

/**
 * Lets a person leave the network at home, be nowhere for a while, and go on with the phone's, under a new address.
 *
 * @param person Who was named as the mover when the homes were built.
 */
export async function moveToPhone({ network }: LabSite, person: LabNode, awayMs: number): Promise<void> {
  await network.takeDown(person, "eth0");
  await new Promise((resolve) => setTimeout(resolve, awayMs));
  await network.putUp({ node: person, interface: "eth1", addresses: [`${PHONE}.2/24`] }, `${PHONE}.1`);
}

/** The switch in the middle; it joins what was plugged in when its scope ends. */
class Internet implements AsyncDisposable {
  readonly #network: LabNetwork;
  readonly #node: LabNode;
  readonly #subnet: string;
  readonly #ports: string[] = [];

  private constructor(network: LabNetwork, node: LabNode, subnet: string) {
    this.#network = network;
    this.#node = node;
    this.#subnet = subnet;
  }

  static async open(network: LabNetwork, subnet: string): Promise<Internet> {
    return new Internet(network, await network.addNode("net"), subnet);
  }

  async plug(node: LabNode, interfaceName: string, lastPart: number): Promise<void> {
    const port = `p${this.#ports.length + 1}`;
    this.#ports.push(port);
    await this.#network.addCable({ node: this.#node, interface: port }, {
      node,
      interface: interfaceName,
      addresses: [`${this.#subnet}.${lastPart}/24`],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network.addBridge(this.#node, this.#ports);
  }
}

/** A router, and one person behind it. */
async function addHome(
  network: LabNetwork,
  person: LabNode,
  kind: RouterKind,
  { forgetsAfterS }: HomesOptions,
): Promise<LabNode> {
  const router = await network.addNode(`${person.name}-rt`);
  await network.addCable({ node: router, interface: "lan", addresses: [`${HOME}.1/24`] }, {
    node: person,
    interface: "eth0",
    addresses: [`${HOME}.2/24`],
  });
  await network.addDefaultRoute(person, `${HOME}.1`);
  await network.makeRouter(router, kind, forgetsAfterS === undefined ? {} : { forgetsAfterS });
  return router;
}

/** A phone that shares its network; the person's cable to it is down. */
async function addPhone(network: LabNetwork, person: LabNode, kind: RouterKind): Promise<LabNode> {
  const phone = await network.addNode(`${person.name}-ph`);
  await network.addCable({ node: phone, interface: "lan", addresses: [`${PHONE}.1/24`] }, {
    node: person,
    interface: "eth1",
  });
  await network.takeDown(person, "eth1");
  await network.makeRouter(phone, kind);
  return phone;
}

/** The carrier's NAT, before a router at home. */
async function addCarrier(network: LabNetwork, router: LabNode): Promise<LabNode> {
  const carrier = await network.addNode(`${router.name}-c`);
  await network.addCable({ node: carrier, interface: "lan", addresses: [`${CARRIER}.1/24`] }, {
    node: router,
    interface: "wan",
    addresses: [`${CARRIER}.2/24`],
  });
  await network.addDefaultRoute(router, `${CARRIER}.1`);
  await network.makeRouter(carrier, "drop");
  return carrier;
}
