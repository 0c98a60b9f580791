/**
 * Thousands of callers who stay silent in their TLS handshake, against a server with few file descriptors.
 * @module
 */
import assert from "node:assert/strict";
import { connectAs, loginAs } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { countDescriptors } from "../helpers/program.ts";
import { loopbackAddress, SilentCallers } from "../helpers/silent_callers.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

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
      await using server = await startServer({
        data: folder.path,
        args: ["--log-level", "warning"],
        wrapper: ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh"],
      });
      await using ana = await connectAs(server, "ana");
      const before = await countDescriptors(server.program.pid);
      const silent = await SilentCallers.call(
        server.port,
        CALLERS,
        (n) => loopbackAddress(256 + n % addresses),
      );
      const tookMs = await waitUntil("ana is let in on another device", () => letIn(server));
      await ana.ask("ping", {});
      const held = await countDescriptors(server.program.pid) - before;
      assert.ok(held <= MAX_HELD, `${held} descriptors are held; ana was in after ${Math.round(tookMs)} ms`);
      await silent.leave();
      await waitUntil(
        "all descriptors are back",
        async () => await countDescriptors(server.program.pid) <= before + 10,
      );
      assert.ok(await letIn(server));
      await ana.ask("ping", {});
      assert.equal(await server.stop(), 0);
      assert.match(server.program.stderr, /many callers do not finish their TLS handshake/);
    },
  );
}

/** Whether somebody honest can log in now: whoever is reset when the entrances change tries again, as our client does. */
async function letIn(server: Parameters<typeof loginAs>[0]): Promise<boolean> {
  try {
    await using _wire = await loginAs(server, "ana");
    return true;
  } catch {
    return false;
  }
}
