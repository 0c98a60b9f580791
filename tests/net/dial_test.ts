import assert from "node:assert/strict";
import { ConnectionError } from "../../lib/errors.ts";
import { addressesOf, connectToFirst, describeDialFailure, dial } from "../../lib/net/dial.ts";
import { sleep } from "../../lib/waiting.ts";
import { Addresses, type Manner } from "../helpers/addresses.ts";
import { testWith } from "../helpers/needs.ts";

/** When a test fails, in milliseconds; nothing below waits so long when all is well. */
const LIMIT_MS = 30_000;

for (
  const manners of [
    ["slow", "silent"],
    ["silent", "slow"],
    ["refuses", "slow", "silent"],
    ["refuses", "silent", "slow"],
  ] as const
) {
  testWith(["linux"], `connectToFirst() takes the address that answers: ${manners.join(", ")}`, async () => {
    using addresses = await Addresses.open(manners);
    const slow = addresses.list[(manners as readonly Manner[]).indexOf("slow")]!;
    const limit = AbortSignal.timeout(LIMIT_MS);
    const connecting = connectToFirst(addresses.list, addresses.port, limit);
    await addresses.waitForCalls(2);
    await addresses.drain(slow);
    using socket = await connecting;
    assert.equal(socket.remoteAddr.hostname, slow);
    assert.ok(!limit.aborted, "it waited for an address that is silent");
  });
}

testWith(["linux"], "connectToFirst() calls no further address once one has answered", async () => {
  using addresses = await Addresses.open(["silent", "answers", "silent"]);
  using socket = await connectToFirst(addresses.list, addresses.port, AbortSignal.timeout(LIMIT_MS));
  assert.equal(socket.remoteAddr.hostname, addresses.list[1]);
  await addresses.waitForCalls(0);
});

testWith(["linux"], "connectToFirst() tries every address, and says why the first one failed", async () => {
  using addresses = await Addresses.open(["refuses", "refuses"]);
  await assert.rejects(
    connectToFirst(addresses.list, addresses.port, AbortSignal.timeout(LIMIT_MS)),
    Deno.errors.ConnectionRefused,
  );
  using one = await Addresses.open(["refuses", "refuses", "answers"]);
  using socket = await connectToFirst(one.list, one.port, AbortSignal.timeout(LIMIT_MS));
  assert.equal(socket.remoteAddr.hostname, one.list[2]);
});

testWith(["linux"], "connectToFirst() stops at its signal while every address is silent", async () => {
  using addresses = await Addresses.open(["silent", "silent"]);
  const stop = new AbortController();
  const connecting = connectToFirst(addresses.list, addresses.port, stop.signal);
  stop.abort(new Error("changed my mind"));
  await assert.rejects(connecting, { message: "changed my mind" });
});

testWith(["linux"], "dial() says that a silent machine gave no answer, and when it gave up", async () => {
  using addresses = await Addresses.open(["silent"]);
  await assert.rejects(
    dial({ host: addresses.list[0]!, port: addresses.port, timeoutMs: 300 }),
    (error: unknown) => error instanceof ConnectionError && /no answer within 0\.3 s$/.test(error.message),
  );
});

testWith(
  ["linux"],
  "connectToFirst() once waited for a silent address to the end, where another had refused long ago",
  async () => {
    using addresses = await Addresses.open(["silent", "refuses"]);
    const limit = AbortSignal.timeout(LIMIT_MS);
    await assert.rejects(
      connectToFirst(addresses.list, addresses.port, limit, 20),
      Deno.errors.ConnectionRefused,
    );
    assert.ok(!limit.aborted);
  },
);

testWith(
  ["linux"],
  "connectToFirst() says what an address said, not that this machine cannot call another",
  async () => {
    using addresses = await Addresses.open(["refuses"]);
    const list = ["fe80::1", ...addresses.list]; // nobody can call the first one without an interface
    await assert.rejects(
      connectToFirst(list, addresses.port, AbortSignal.timeout(LIMIT_MS)),
      Deno.errors.ConnectionRefused,
    );
  },
);

Deno.test("dial() says what is wrong with an address that belongs to one link", async () => {
  const link = (host: string) => dial({ host, port: 1 });
  await assert.rejects(link("fe80::1"), /\[fe80::1\]:1: such an address needs .* fe80::1%eth0$/);
  await assert.rejects(link("fe80::1%no-such"), /this machine has no interface no-such$/);
});

Deno.test("addressesOf() does without the family that a name server leaves without an answer", async () => {
  const four = [{ address: "192.0.2.1", family: 4 }];
  const six = [{ address: "2001:db8::1", family: 6 }];
  const never = new Promise<typeof four>(() => {});
  const nobody = () => Promise.reject(new Error("no such name"));
  const ask = (answers: Record<number, () => Promise<typeof four>>) => (_: string, family: number) =>
    answers[family]!();
  const silent = () => never;
  const cases: [Record<number, () => Promise<typeof four>>, string[]][] = [
    [{ 0: () => Promise.resolve([...six, ...four]), 6: silent, 4: silent }, ["2001:db8::1", "192.0.2.1"]],
    [{ 0: silent, 6: silent, 4: () => Promise.resolve(four) }, ["192.0.2.1"]],
    [{ 0: silent, 6: nobody, 4: () => Promise.resolve(four) }, ["192.0.2.1"]],
    [{ 0: silent, 6: () => sleep(5).then(() => six), 4: () => Promise.resolve(four) }, [
      "192.0.2.1",
      "2001:db8::1",
    ]],
  ];
  for (const [answers, addresses] of cases) {
    assert.deepEqual(await addressesOf("chat.example.org", ask(answers), 10), addresses);
  }
  const late = { 0: () => sleep(20).then(nobody), 6: nobody, 4: nobody };
  await assert.rejects(addressesOf("chat.example.org", ask(late), 10), /no such name/);
});

Deno.test('describeDialFailure() has words that a sentence can end with, whatever the system says: some ended in "?."', () => {
  const codes = [
    "ENOTFOUND",
    "EAI_AGAIN",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "EADDRNOTAVAIL",
    "ETIMEDOUT",
    "ECONNRESET",
  ];
  for (const code of codes) {
    const failure = describeDialFailure(Object.assign(new Error("raw"), { code }), {
      host: "a.example",
      port: 1,
    });
    assert.match((failure as Error).message, /^Cannot reach a\.example:1: .*[^.?!]$/, code);
    assert.doesNotMatch((failure as Error).message, /raw/, code);
  }
});
