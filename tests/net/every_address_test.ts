import assert from "node:assert/strict";
import { type Entrance, hostsOf, listenEverywhere } from "../../lib/net/accept/every_address.ts";
import { testWith } from "../helpers/needs.ts";

/** Two addresses of loopback in place of the two families: they are always apart, as those are on Windows. */
function openApart(hostname: string, port: number): Entrance {
  return Deno.listen({ hostname: hostname === "::" ? "127.0.0.2" : "127.0.0.1", port });
}

testWith(["linux"], "listenEverywhere() takes both families where a socket on :: takes one", async () => {
  const entrance = listenEverywhere(openApart, 0);
  assert.deepEqual(hostsOf(entrance), ["::", "0.0.0.0"]);
  const { port } = entrance.addr as Deno.NetAddr;
  const hosts = ["127.0.0.1", "127.0.0.1", "127.0.0.2"];
  const callers = await Promise.all(hosts.map((hostname) => Deno.connect({ hostname, port })));
  const accepted: Deno.Conn[] = [];
  for (const _ of hosts) accepted.push(await entrance.accept());
  assert.deepEqual(accepted.map(({ localAddr }) => (localAddr as Deno.NetAddr).hostname).sort(), hosts);
  const waiting = entrance.accept();
  entrance.close();
  await assert.rejects(waiting);
  for (const socket of [...callers, ...accepted]) socket.close();
});

Deno.test("listenEverywhere() gives each family its turn, however many call at the other", async () => {
  const entrance = listenEverywhere((hostname) => ({
    addr: { transport: "tcp", hostname, port: 1 },
    accept: () => Promise.resolve({ hostname } as unknown as Deno.Conn),
    close: () => {},
  }), 1);
  const from: unknown[] = [];
  for (let count = 0; count < 4; count++) from.push(await entrance.accept());
  assert.deepEqual(from.map((conn) => (conn as { hostname: string }).hostname), [
    "::",
    "0.0.0.0",
    "::",
    "0.0.0.0",
  ]);
});

testWith(
  ["linux"],
  "listenEverywhere() has one socket where that takes both, and no port that others have with IPv4",
  () => {
    const both = listenEverywhere((hostname, port) => {
      if (hostname === "0.0.0.0") throw new Deno.errors.AddrInUse("by the other socket");
      return openApart(hostname, port);
    }, 0);
    assert.equal(hostsOf(both).length, 1);
    both.close();
    const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    assert.throws(() => listenEverywhere(openApart, other.addr.port), Deno.errors.AddrInUse);
    other.close();
    const withoutSix = listenEverywhere((hostname, port) => {
      if (hostname === "::") throw new Error("no IPv6");
      return openApart(hostname, port);
    }, 0);
    assert.equal((withoutSix.addr as Deno.NetAddr).hostname, "127.0.0.1");
    withoutSix.close();
  },
);
