/**
 * A router that forwards ports when a machine behind it asks: miniupnpd, as many home routers have it.
 * @module
 */
import type { LabNetwork, LabNode } from "./network.ts";

/** Chains of nftables that the daemon fills. */
const CHAINS = `table inet miniupnpd {
  chain forward { type filter hook forward priority -10; }
  chain prerouting { type nat hook prerouting priority -100; }
  chain postrouting { type nat hook postrouting priority 100; }
}
insert rule ip lab through iifname "wan" ct status dnat accept
`;

const SETTINGS = `ext_ifname=wan
listening_ip=lan
enable_upnp=yes
enable_natpmp=yes
secure_mode=yes
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=forward
upnp_nat_chain=prerouting
upnp_nat_postrouting_chain=postrouting
uuid=6d1c0a52-7c0b-4c0e-9f0a-2d1f5a0b7c11
allow 1024-65535 192.168.1.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`;

/**
 * Starts the daemon on a router with interfaces `lan` and `wan`; it ends with the network.
 *
 * @throws {Error} When the daemon does not begin to serve.
 */
export async function forwardOnRequest(network: LabNetwork, router: LabNode): Promise<void> {
  await network.setRules(router, CHAINS);
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-lab-" });
  try {
    const settings = `${folder}/miniupnpd.conf`;
    await Deno.writeTextFile(settings, SETTINGS);
    // It detaches itself once it has read its settings; what runs in a namespace is ended with it.
    const [command = "", ...args] = [
      ...network.wrapperFor(router),
      ...["miniupnpd", "-f", settings, "-P", `${folder}/pid`],
    ];
    const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
    if (!success) throw new Error("Cannot start miniupnpd");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
