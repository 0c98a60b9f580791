/**
 * Lost, slow and reset packets on the loopback of the run's own network namespace, port by port.
 *
 * This kernel has no netem; nftables drops at random, limits rates, and resets.
 * @module
 */

/** What happens to packets, both ways. */
export type PacketFault =
  | { readonly kind: "lossy"; readonly percent: number }
  | { readonly kind: "slow"; readonly packetsPerSecond: number }
  | { readonly kind: "reset" }
  | { readonly kind: "silent" };

/** Whose packets: those of a port, or of a port at one address. */
export interface PacketPlace {
  readonly port: number;
  /** Any address by default. */
  readonly address?: string;
}

const TABLE = "mini_chat_torture";

/** Rules of nftables, all in one table of their own. */
export class Firewall {
  private constructor() {}

  /** Makes the empty table. */
  static async make(): Promise<Firewall> {
    await nft(`table ip ${TABLE} {\n chain in { type filter hook input priority 0; policy accept; }\n}`);
    return new Firewall();
  }

  /** Lets a fault befall the packets to and from these places. */
  async add(fault: PacketFault, ...places: readonly PacketPlace[]): Promise<void> {
    const rules = places.flatMap(({ port, address }) =>
      ["d", "s"].map((side) => {
        const at = address === undefined ? "" : `ip ${side}addr ${address} `;
        return `add rule ip ${TABLE} in ${at}tcp ${side}port ${port} ${action(fault)}`;
      })
    );
    await nft(rules.join("\n"));
  }

  /** Takes all faults away. */
  async clear(): Promise<void> {
    await nft(`flush chain ip ${TABLE} in`);
  }
}

function action(fault: PacketFault): string {
  switch (fault.kind) {
    case "lossy":
      return `numgen random mod 100 < ${fault.percent} drop`;
    case "slow":
      return `limit rate over ${fault.packetsPerSecond}/second burst 5 packets drop`;
    case "reset":
      // Both ends are told, by resets that have to pass.
      return "tcp flags & rst == 0 reject with tcp reset";
    case "silent":
      return "drop";
  }
}

async function nft(rules: string): Promise<void> {
  const child = new Deno.Command("nft", {
    args: ["-f", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(rules + "\n"));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`nft refused ${rules}: ${new TextDecoder().decode(stderr)}`);
}
