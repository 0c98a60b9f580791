/**
 * Small internets made of network namespaces: built, used and always taken down again.
 *
 * Knows `ip` and `nft`, nothing of chat. Needs root and the Debian packages `iproute2` and `nftables`. Every name
 * carries the process id of its maker, so labs of several processes never meet, and what a killed one left behind is
 * swept away by the next.
 * @module
 */

/** How a router of the lab treats what comes from outside, or maps what goes out. */
export type RouterKind =
  /** Ports are kept where possible, unknown inbound packets vanish: most routers at home. */
  | "drop"
  /** The same, but unknown inbound connections are refused with RST. */
  | "reset"
  /** Every connection leaves from a random port: carrier-grade and some company routers. */
  | "symmetric";

/** One machine or router of the lab. */
export type LabNode = {
  /** Name inside the lab, such as `ana`. */
  readonly name: string;
  /** Name of its network namespace. */
  readonly namespace: string;
};

/** Longest that one `ip` or `nft` command may take, in milliseconds. */
const COMMAND_TIMEOUT_MS = 10_000;

const PREFIX = "mcl";

let networksMade = 0;
let cablesLaid = 0;

/**
 * Says what is missing for the lab to run here.
 *
 * @returns One sentence to show, or undefined when everything is in place.
 */
export async function findMissing(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return `The lab needs Linux network namespaces; this is ${Deno.build.os}`;
  if (Deno.uid() !== 0) return "The lab needs root, to make network namespaces";
  for (const [program, debianPackage] of [["ip", "iproute2"], ["nft", "nftables"]] as const) {
    if (await hasProgram(program)) continue;
    return `The lab needs the program ${program}: apt-get install ${debianPackage}`;
  }
  try {
    await using network = new LabNetwork();
    const node = await network.addNode("try");
    await network.setRules(node, "table ip try {\n chain out { type nat hook postrouting priority 100; }\n}");
  } catch (error) {
    return `The lab cannot make network namespaces here: ${(error as Error).message}`;
  }
  return undefined;
}

/** Whether a program can be run here. */
export async function hasProgram(program: string): Promise<boolean> {
  try {
    await run(program, ["-V"]);
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
  return true;
}

/** One network of namespaces; disposing of it ends every process inside and removes all of it. */
export class LabNetwork implements AsyncDisposable {
  readonly #prefix = `${PREFIX}${Deno.pid}x${++networksMade}-`;
  readonly #nodes: LabNode[] = [];

  /** Makes a machine with a loopback interface and nothing else. */
  async addNode(name: string): Promise<LabNode> {
    const node = { name, namespace: this.#prefix + name };
    this.#nodes.push(node);
    await run("ip", ["netns", "add", node.namespace]);
    // Duplicate address detection would hold every IPv6 address back for a second or two.
    await this.#write(node, "ipv6/conf/all/accept_dad", 0);
    await this.#write(node, "ipv6/conf/default/accept_dad", 0);
    await run("ip", ["-n", node.namespace, "link", "set", "lo", "up"]);
    return node;
  }

  /**
   * Finds a machine by its name inside the lab.
   *
   * @throws {RangeError} There is none of that name.
   */
  getNode(name: string): LabNode {
    const node = this.#nodes.find((candidate) => candidate.name === name);
    if (!node) throw new RangeError(`Cannot find the machine ${name} in the lab`);
    return node;
  }

  /**
   * Lays a cable between two machines.
   *
   * @param a First end: its machine, the name of its interface and the addresses with prefix length.
   * @param b Second end.
   */
  async addCable(a: CableEnd, b: CableEnd): Promise<void> {
    // Made with short unique names first: an interface name has 15 characters at most, and both ends start in one table.
    const id = `${Deno.pid}-${++cablesLaid}`;
    await run("ip", [
      ...["link", "add", `a${id}`, "netns", a.node.namespace, "type", "veth"],
      ...["peer", "name", `b${id}`, "netns", b.node.namespace],
    ]);
    await this.#setUp(a, `a${id}`);
    await this.#setUp(b, `b${id}`);
  }

  /** Turns a machine into a switch: every interface named here is one port of it. */
  async addBridge(node: LabNode, ports: readonly string[]): Promise<void> {
    const lines = ["link add name br0 type bridge", "link set dev br0 up"];
    for (const port of ports) lines.push(`link set dev ${port} master br0`);
    await this.#batch(node, ...lines);
  }

  /** Sends what a machine has no better way for to `gateway`. */
  async addDefaultRoute(node: LabNode, gateway: string): Promise<void> {
    const family = gateway.includes(":") ? ["-6"] : [];
    await run("ip", [...family, "-n", node.namespace, "route", "add", "default", "via", gateway]);
  }

  /** Lets a machine pass packets on. */
  async allowForwarding(node: LabNode): Promise<void> {
    await this.#write(node, "ipv4/ip_forward", 1);
    await this.#write(node, "ipv6/conf/all/forwarding", 1);
  }

  /** Loads nftables rules into a machine. */
  async setRules(node: LabNode, rules: string): Promise<void> {
    await run("ip", ["netns", "exec", node.namespace, "nft", "-f", "-"], rules);
  }

  /**
   * Makes a router out of a machine whose interfaces are `lan` and `wan`: masquerade and a firewall.
   *
   * @param options.forgetsAfterS After how many seconds of silence a connection is forgotten; five days by default.
   */
  async makeRouter(node: LabNode, kind: RouterKind, options: { forgetsAfterS?: number } = {}): Promise<void> {
    await this.allowForwarding(node);
    // A connection that the router has not seen begin, or has forgotten, is not let through: the worst case.
    await this.#write(node, "netfilter/nf_conntrack_tcp_loose", 0);
    await this.#write(node, "netfilter/nf_conntrack_tcp_be_liberal", 1);
    if (options.forgetsAfterS !== undefined) {
      await this.#write(node, "netfilter/nf_conntrack_tcp_timeout_established", options.forgetsAfterS);
    }
    const refuse = kind === "reset" ? "meta l4proto tcp reject with tcp reset" : "drop";
    const mapping = kind === "symmetric" ? "masquerade random,fully-random" : "masquerade";
    await this.setRules(
      node,
      `table ip lab {
        chain out { type nat hook postrouting priority 100; oifname "wan" ${mapping}; }
        chain through { type filter hook forward priority 0;
          ct state invalid drop
          iifname "wan" ct state new ${refuse}
        }
        chain in { type filter hook input priority 0; iifname "wan" ct state { new, invalid } ${refuse}; }
      }`,
    );
  }

  /** Takes an interface away, with its addresses and routes, as when a machine leaves a network. */
  async takeDown(node: LabNode, interfaceName: string): Promise<void> {
    await this.#batch(node, `addr flush dev ${interfaceName}`, `link set dev ${interfaceName} down`);
  }

  /** Puts an interface up, with an address and the way to everywhere else. */
  async putUp(end: CableEnd, gateway: string): Promise<void> {
    const addresses = (end.addresses ?? []).map((address) => `addr add ${address} dev ${end.interface}`);
    await this.#batch(end.node, `link set dev ${end.interface} up`, ...addresses);
    await this.addDefaultRoute(end.node, gateway);
  }

  /**
   * Turns a router made by {@linkcode makeRouter} off: nothing passes, and what it knew of connections is gone.
   */
  async turnOff(router: LabNode): Promise<void> {
    // Masquerade forgets every connection through an interface that goes down.
    await this.#batch(router, "link set dev wan down", "link set dev lan down");
  }

  /** Turns a router on again, with the addresses that it had. */
  async turnOn(router: LabNode): Promise<void> {
    await this.#batch(router, "link set dev lan up", "link set dev wan up");
  }

  /** Command and arguments to be put before another command, which then runs inside a machine. */
  wrapperFor(node: LabNode): readonly string[] {
    return ["ip", "netns", "exec", node.namespace];
  }

  /** Ends every process inside the network and removes it. May be called again. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes.splice(0)) await removeNamespace(node.namespace);
  }

  async #write(node: LabNode, setting: string, value: number): Promise<void> {
    await run("ip", [
      "netns",
      "exec",
      node.namespace,
      "sh",
      "-c",
      `echo ${value} > /proc/sys/net/${setting}`,
    ]);
  }

  async #batch(node: LabNode, ...lines: string[]): Promise<void> {
    await run("ip", ["-n", node.namespace, "-batch", "-"], lines.join("\n") + "\n");
  }

  async #setUp(end: CableEnd, madeAs: string): Promise<void> {
    const lines = [`link set dev ${madeAs} name ${end.interface}`, `link set dev ${end.interface} up`];
    for (const address of end.addresses ?? []) lines.push(`addr add ${address} dev ${end.interface}`);
    await this.#batch(end.node, ...lines);
  }
}

/** One end of a cable. */
export type CableEnd = {
  readonly node: LabNode;
  /** Name of the interface at this end, such as `lan`. */
  readonly interface: string;
  /** Addresses with prefix length; none when absent (the port of a switch). */
  readonly addresses?: readonly string[];
};

/**
 * Removes what labs of processes that are gone left behind.
 *
 * @param options.includeOwn Whether this process's own networks go too: it is about to end.
 */
export async function sweepLeftovers(options: { includeOwn?: boolean } = {}): Promise<void> {
  for (const line of (await run("ip", ["netns", "list"])).split("\n")) {
    const [namespace = ""] = line.split(" ");
    const maker = new RegExp(`^${PREFIX}(\\d+)x`).exec(namespace)?.[1];
    if (maker === undefined) continue;
    const isOwn = Number(maker) === Deno.pid;
    if (isOwn ? !options.includeOwn : await isRunning(Number(maker))) continue;
    await removeNamespace(namespace);
  }
}

async function isRunning(pid: number): Promise<boolean> {
  try {
    // Deno shows /proc only to programs that may do everything: asked there, every other lab looked dead, and was swept away.
    await run("sh", ["-c", `kill -0 ${pid}`]);
    return true;
  } catch {
    return false;
  }
}

async function removeNamespace(namespace: string): Promise<void> {
  const inside = await run("ip", ["netns", "pids", namespace]).catch(() => "");
  for (const pid of inside.split("\n").filter((line) => line !== "")) {
    try {
      Deno.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended on its own between the two commands.
    }
  }
  await run("ip", ["netns", "del", namespace]).catch(() => undefined);
}

/** Runs one command to its end and returns what it printed; throws with what it complained about. */
async function run(program: string, args: readonly string[], stdin?: string): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(COMMAND_TIMEOUT_MS),
  }).spawn();
  if (stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  }
  const { success, stdout, stderr } = await child.output();
  if (!success) {
    const complaint = new TextDecoder().decode(stderr).trim();
    throw new Error(`Cannot run ${program} ${args.join(" ")}: ${complaint}`);
  }
  return new TextDecoder().decode(stdout);
}
