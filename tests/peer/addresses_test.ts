import assert from "node:assert/strict";
import { ownAddresses, routeTo, usableEndpoints } from "../../lib/peer/route/addresses.ts";

Deno.test("ownAddresses() names what others can reach, each once", () => {
  const interfaces = [
    { address: "127.0.0.1", cidr: "127.0.0.1/8" },
    { address: "192.168.1.2", cidr: "192.168.1.2/24" },
    { address: "192.168.1.2", cidr: "192.168.1.2/24" },
    { address: "fe80::1", cidr: "fe80::1/64" },
    { address: "2001:db8::2", cidr: "2001:db8::2/64" },
  ];
  assert.deepEqual(ownAddresses(interfaces), ["192.168.1.2", "2001:db8::2"]);
  const many = [...Array(50).keys()].map((n) => ({ address: `10.0.0.${n}`, cidr: `10.0.0.${n}/24` }));
  assert.ok(ownAddresses(many).length <= 14);
});

Deno.test("usableEndpoints() knocks on no door inside this machine, and on few outside", () => {
  const told = ["127.0.0.1", "::1", "169.254.1.1", "224.0.0.1", "192.168.1.2", "192.168.1.2"].map((
    address,
  ) => ({
    address,
    port: 25,
  }));
  assert.deepEqual(usableEndpoints(told, "192.0.2.1").map(({ address }) => address), [
    "192.168.1.2",
  ]);
  assert.equal(usableEndpoints(told, "127.0.0.1").length, 3);
  const many = [...Array(99).keys()].map((n) => ({ address: `10.0.0.${n}`, port: 80 }));
  assert.ok(usableEndpoints(many, "192.0.2.1").length <= 17);
});

Deno.test("routeTo() names the way by address, and by how it came to be known", () => {
  const interfaces = [{ address: "203.0.113.5", cidr: "203.0.113.5/24" }, {
    address: "2001:db8::5",
    cidr: "2001:db8::5/64",
  }];
  const table = [
    ["192.168.7.7", "own", "direct, LAN"],
    ["127.0.0.1", "seen", "direct, LAN"],
    ["203.0.113.9", "seen", "direct, LAN"],
    ["198.51.100.9", "seen", "direct, internet"],
    ["198.51.100.9", "mapped", "direct, mapped"],
    ["2001:db8::9", "own", "direct, LAN"],
    ["2001:db8:1::9", "own", "direct, IPv6"],
  ] as const;
  for (const [address, kind, route] of table) {
    assert.equal(routeTo({ address, port: 1, kind }, interfaces), route, address);
  }
});
