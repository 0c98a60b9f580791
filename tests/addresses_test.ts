import assert from "node:assert/strict";
import {
  addressGroup,
  formatHostAndPort,
  isPort,
  Network,
  networkInterfaces,
  NetworkMap,
  normalizeAddress,
  parsePort,
  scopeOf,
} from "../lib/addresses.ts";
import { UsageError } from "../lib/errors.ts";

Deno.test("normalizeAddress() gives each caller one spelling", () => {
  const table = {
    "::ffff:192.0.2.7": "192.0.2.7",
    "::ffff:c0a8:101": "192.168.1.1",
    "192.0.2.7": "192.0.2.7",
    "2001:DB8:0:0::1": "2001:db8::1",
    "fe80::1%eth0": "fe80::1%eth0",
    "": "",
    "localhost": "localhost",
  };
  for (const [address, wanted] of Object.entries(table)) assert.equal(normalizeAddress(address), wanted);
});

Deno.test("Network.parse() reads prefixes and addresses, and spells each in one way", () => {
  const table: Record<string, string | undefined> = {
    "192.0.2.7": "192.0.2.7/32",
    "192.0.2.7/24": "192.0.2.0/24",
    "0.0.0.0/0": "0.0.0.0/0",
    "::ffff:192.0.2.7": "192.0.2.7/32",
    "::ffff:192.0.2.7/120": "192.0.2.0/24",
    "2001:DB8:1:2:3::1": "2001:db8:1:2::/64",
    "2001:db8:1:2:3::1/48": "2001:db8:1::/48",
    "2001:db8::1/128": "2001:db8::1/128",
    "10/8": undefined,
    "192.0.2.7/33": undefined,
    "192.0.2.7/": undefined,
    "192.0.2.7/24/8": undefined,
    "localhost": undefined,
    "": undefined,
  };
  for (const [text, wanted] of Object.entries(table)) {
    assert.equal(Network.parse(text)?.toString(), wanted, text);
  }
  const includes = (network: string, address: string) => Network.parse(network)!.includes(address);
  assert.ok(includes("192.0.2.0/24", "::ffff:192.0.2.255"));
  assert.ok(!includes("192.0.2.0/24", "192.0.3.0"));
  assert.ok(includes("::/0", "2001:db8::1") && !includes("::/0", "192.0.2.1"));
  assert.ok(includes("2001:db8::/48", "2001:db8:0:7::1") && !includes("2001:db8::/48", "nonsense"));
});

Deno.test("addressGroup() cuts IPv6 to its /64, and leaves IPv4 whole", () => {
  const table = {
    "192.0.2.7": "192.0.2.7",
    "::ffff:192.0.2.7": "192.0.2.7",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:0DB8:1:2::9": "2001:db8:1:2::/64",
    "2001:db8::1": "2001:db8:0:0::/64",
    "fe80::1%eth0": "fe80:0:0:0::/64",
    "::1": "0:0:0:0::/64",
    "": "",
  };
  for (const [address, group] of Object.entries(table)) assert.equal(addressGroup(address), group);
});

Deno.test("scopeOf() tells what an address can be used for", () => {
  const table = {
    loopback: ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"],
    link: ["169.254.1.1", "fe80::1", "FEBF::1", "fe80::1%eth0"],
    private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::2", "fc12::1"],
    public: ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "198.20.0.1", "2001:db8::1", "2a00::1"],
    unusable: [
      ["0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.4", "198.18.0.1", "198.19.255.255"],
      ["::", "::7f00:1", "64:ff9b::10.0.0.1", "ff02::1", "", "chat.example.org"],
    ].flat(),
  };
  for (const [scope, addresses] of Object.entries(table)) {
    for (const address of addresses) assert.equal(scopeOf(address), scope, address);
  }
});

Deno.test("a host and a port are written as one, and a port is read within its bounds", () => {
  assert.equal(formatHostAndPort("chat.example.org", 7667), "chat.example.org:7667");
  assert.equal(formatHostAndPort("2001:db8::1", 7667), "[2001:db8::1]:7667");
  assert.equal(parsePort("65535"), 65_535);
  for (const text of ["0", "65536", "-1", "1e3", " 80", "", "x".repeat(200)]) {
    assert.throws(
      () => parsePort(text),
      (error) => error instanceof UsageError && error.message.length < 170,
      text,
    );
  }
  assert.equal(isPort("0", 0), true);
  assert.equal(isPort("0"), false);
});

Deno.test("NetworkMap finds what the ranges say that an address is in, however many there are", () => {
  const random = (below: number) => Math.floor(Math.random() * below);
  const address = () =>
    random(2) === 0
      ? [10, random(4), random(4), random(256)].join(".")
      : `2001:db8:${random(4)}:${random(4).toString(16)}::${random(4)}`;
  const prefix = () => {
    const start = address();
    return `${start}/${random(start.includes(":") ? 129 : 33)}`;
  };
  const networks = Array.from({ length: 300 }, () => Network.parse(prefix())!);
  const map = new NetworkMap<Network>();
  assert.ok(map.isEmpty);
  for (const network of networks.slice(0, 150)) map.add(network, network);
  assert.equal(map.find("no address", () => true), undefined);
  for (const network of networks) {
    for (const seen of [address(), `::ffff:10.1.2.${random(256)}`]) {
      const isMeant = (other: Network) => other === network;
      const isIn = networks.indexOf(network) < 150 && network.includes(seen);
      assert.equal(map.find(seen, isMeant), isIn ? network : undefined, `${seen} in ${network}`);
    }
  }
});

Deno.test("networkInterfaces() once ended the client where the system did not say: it goes on with what it knew", () => {
  const before = networkInterfaces();
  const ask = Deno.networkInterfaces;
  Deno.networkInterfaces = () => {
    throw new Error("Too many open files (os error 24)");
  };
  try {
    assert.equal(networkInterfaces(), before);
  } finally {
    Deno.networkInterfaces = ask;
  }
  assert.deepEqual(networkInterfaces(), ask());
});
