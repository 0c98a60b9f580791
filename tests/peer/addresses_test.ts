import assert from "node:assert/strict";
import { ownAddresses, routeTo, scopeOf, usableEndpoints } from "../../lib/peer/route/addresses.ts";

Deno.test("scopeOf() tells what an address can be used for", () => {
  const table = {
    loopback: ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"],
    link: ["169.254.1.1", "fe80::1", "FEBF::1"],
    private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::2", "fc12::1"],
    public: ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "2a00::1"],
    unusable: ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"],
  };
  for (const [scope, addresses] of Object.entries(table)) {
    for (const address of addresses) assert.equal(scopeOf(address), scope, address);
  }
});

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
  assert.deepEqual(usableEndpoints(told, { isLoopbackFine: false }).map(({ address }) => address), [
    "192.168.1.2",
  ]);
  assert.equal(usableEndpoints(told, { isLoopbackFine: true }).length, 3);
  const many = [...Array(99).keys()].map((n) => ({ address: `10.0.0.${n}`, port: 80 }));
  assert.ok(usableEndpoints(many, { isLoopbackFine: false }).length <= 17);
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
