import assert from "node:assert/strict";
import { parsePort } from "../../lib/addresses.ts";
import { parseChatFlags } from "../../lib/commands/direct/flags.ts";
import { assertDelivered, farewell, span, whyFileFailed } from "../../lib/commands/direct/words.ts";
import { UsageError } from "../../lib/errors.ts";
import { FILE_FAILURES } from "../../lib/protocol/peer_messages.ts";

Deno.test("parseChatFlags() takes a friend and a port in any of the usual ways", () => {
  assert.deepEqual(parseChatFlags(""), { isMapped: false });
  for (const args of ["bob --port 5000", "--port=5000 Bob", "bob 5000", "  bob   --port  5000 "]) {
    assert.deepEqual(parseChatFlags(args), { isMapped: false, friend: "bob", port: 5000 }, args);
  }
  assert.deepEqual(parseChatFlags("bob --map-port"), { isMapped: true, friend: "bob" });
  for (const args of ["bob --port", "bob --ports 1", "bob 1 2", "bob http"]) {
    assert.throws(() => parseChatFlags(args), UsageError, args);
  }
});

Deno.test("parsePort() takes whole numbers from 1 to 65535, and says so", () => {
  assert.deepEqual(["1", "80", "65535"].map(parsePort), [1, 80, 65535]);
  for (const text of ["0", "65536", "-1", "5.5", "0x50", "", " 80", "99999999"]) {
    assert.throws(() => parsePort(text), /must be a number from 1 to 65535/, text);
  }
});

Deno.test("span() says how long, in the unit that fits", () => {
  const table = [[0.2, "1 ms"], [40, "40 ms"], [1_400, "1.4 s"], [12_300, "12 s"], [185_000, "3 min 5 s"], [
    3_720_000,
    "1 h 2 min",
  ]] as const;
  for (const [ms, words] of table) assert.equal(span(ms), words);
});

Deno.test("farewell() says who ended it and what came of it, and shows nothing that moves the cursor", () => {
  const tally = {
    linesSent: 1,
    linesUndelivered: 0,
    linesReceived: 2,
    filesSent: 0,
    filesUnsent: 0,
    filesReceived: 1,
    durationMs: 61_000,
  };
  assertDelivered(tally);
  assert.throws(() => assertDelivered({ ...tally, filesUnsent: 1 }), /before 1 file had reached your friend/);
  assert.throws(
    () => assertDelivered({ ...tally, filesUnsent: 2, linesUndelivered: 1 }),
    /1 line and 2 files/,
  );
  assert.equal(
    farewell("bob", { kind: "heard_bye", message: "" }, tally),
    "bob said goodbye. 1 min 1 s, 1 line sent, 2 received, 0 files sent, 1 received.",
  );
  for (const kind of ["said_bye", "lost", "protocol", "closed"] as const) {
    const words = farewell("bob", { kind, message: "evil \x1b[2J" }, tally);
    assert.ok(!words.includes("\x1b"), words);
  }
});

Deno.test("whyFileFailed() has a sentence for each reason, from either side", () => {
  const seen = new Set<string>();
  for (const reason of [...FILE_FAILURES, "ended"] as const) {
    for (const direction of ["sending", "receiving"] as const) {
      for (const isOurs of [true, false]) {
        const words = whyFileFailed("bob", { direction, name: "a.txt", totalBytes: 1, reason, isOurs });
        assert.match(words, /^a\.txt /);
        seen.add(words);
      }
    }
  }
  assert.ok(seen.size >= FILE_FAILURES.length * 2);
});
