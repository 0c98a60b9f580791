/**
 * Thousands of callers who stay silent in their TLS handshake, against a server with few file descriptors.
 * @module
 */
import assert from "node:assert/strict";
import { connectWith } from "../helpers/accounts.ts";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { addBeside } from "../helpers/population.ts";
import { countDescriptors } from "../helpers/program.ts";
import { loopbackAddress, SilentCallers } from "../helpers/silent_callers.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Wire } from "../helpers/wire.ts";
import { within } from "../../lib/waiting.ts";

const CALLERS = 3_000;
/** What a system gives to a program where nobody has changed it: a third of the callers. */
const DESCRIPTORS = 1_024;
/** Descriptors that unfinished handshakes may hold: 256 at each of the listener's entrances, and what serves the tests. */
const MAX_HELD = 560;

for (const addresses of [1, CALLERS]) {
  const where = addresses === 1 ? "one address" : `${addresses} addresses`;
  testWith(
    ["linux"],
    `${CALLERS} callers from ${where} who are silent in their handshake keep nobody out`,
    async () => {
      using folder = tempFolder();
      await using server = await startAllowing(DESCRIPTORS, folder.path, "warning");
      const { token } = await addBeside(server.data, "ana");
      await using ana = await connectWith(server, token);
      const before = await countDescriptors(server.program.pid);
      const silent = await SilentCallers.call(
        server.port,
        CALLERS,
        (n) => loopbackAddress(256 + n % addresses),
      );
      const tookMs = await waitUntil("ana is let in once more", () => letIn(server, token));
      await ana.ask("ping", {});
      const held = await countDescriptors(server.program.pid) - before;
      assert.ok(held <= MAX_HELD, `${held} descriptors are held; ana was in after ${Math.round(tookMs)} ms`);
      await silent.leave();
      await waitUntil(
        "all descriptors are back",
        async () => await countDescriptors(server.program.pid) <= before + 10,
      );
      assert.ok(await letIn(server, token));
      await ana.ask("ping", {});
      assert.equal(await server.stop(), 0);
      assert.match(server.program.stderr, /many callers do not finish their TLS handshake/);
    },
  );
}

for (
  const { where, silentBefore = 0, silentAfter = 0, limits } of [
    { where: "", limits: [256] },
    {
      where: " behind others who are silent in their handshake",
      silentBefore: 300,
      limits: [700, 701, 702], // a caller costs three there, so that none, one or two are left for the next one
    },
    { where: " before others who are silent in their handshake", silentAfter: 300, limits: [345] },
  ]
) {
  testWith(
    ["linux"],
    `callers who sign in nowhere and use up all descriptors${where} keep nobody out`,
    async () => {
      await Promise.all(limits.map((limit) => keepNobodyOut({ limit, silentBefore, silentAfter })));
    },
  );
}

async function keepNobodyOut(
  { limit, silentBefore, silentAfter }: {
    readonly limit: number;
    readonly silentBefore: number;
    readonly silentAfter: number;
  },
): Promise<void> {
  using folder = tempFolder();
  await using server = await startAllowing(limit, folder.path, "error");
  const { token } = await addBeside(server.data, "ana");
  await using ana = await connectWith(server, token);
  const callSilently = (count: number) =>
    SilentCallers.call(server.port, count, (n) => loopbackAddress(256 + n));
  const before = await callSilently(silentBefore);
  await waitUntil("ana is let in beside the silent ones", () => letIn(server, token));
  const guests: Wire[] = [];
  for (let address = 2; address < 5; address++) {
    const call = () =>
      Wire.connect(server.port, "127.0.0.1", `127.0.0.${address}`).then(
        (guest) => void guests.push(guest),
        () => {},
      );
    await within(5_000, Promise.all(Array.from({ length: 90 }, call)));
  }
  const after = await callSilently(silentAfter);
  const isIn = await within(10_000, untilLetIn(server, token));
  assert.ok(isIn, `ana is let in once more, where ${limit} descriptors are allowed`);
  await ana.ask("ping", {});
  for (const guest of guests) await guest[Symbol.asyncDispose]();
  await before.leave();
  await after.leave();
}

/** Starts a server that may have so many files and sockets open. */
function startAllowing(descriptors: number, data: string, logLevel: string): Promise<TestServer> {
  const wrapper = ["sh", "-c", `ulimit -n ${descriptors}; exec "$@"`, "sh"];
  return startServer({ data, args: ["--log-level", logLevel], wrapper });
}

/** As our client does, which waits for a key no longer than so. */
async function untilLetIn(server: TestServer, token: string): Promise<boolean> {
  while (!await within(3_000, letIn(server, token)));
  return true;
}

/** Whether somebody honest can sign in now: whoever is reset when the entrances change tries again, as our client does. */
async function letIn(server: TestServer, token: string): Promise<boolean> {
  try {
    await using _wire = await connectWith(server, token);
    return true;
  } catch {
    return false;
  }
}
