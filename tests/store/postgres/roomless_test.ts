import { deepEqual, equal, rejects } from "node:assert/strict";
import { ChatError } from "../../../lib/errors.ts";
import { CommitTimes } from "../../../lib/store/commit_times.ts";
import { DEFAULT_STORE_LIMITS } from "../../../lib/store/limits.ts";
import { openSharedStore } from "../../../lib/store/open.ts";
import { AccountsByName } from "../../../lib/store/postgres/hot/accounts_by_name.ts";
import { runHotBatch } from "../../../lib/store/postgres/hot/batch.ts";
import { Roomless } from "../../../lib/store/postgres/hot/roomless.ts";
import { UnreadParts } from "../../../lib/store/unread_parts.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES } from "../../helpers/postgres.ts";
import { addDevice, addPerson, send } from "../store_helpers.ts";

testWith(
  POSTGRES,
  "whoever floods a mailbox in which no history can make way holds up nobody: it is looked at once a second",
  async () => {
    const url = await newDatabase();
    const limits = { ...DEFAULT_STORE_LIMITS, mailboxBytes: 100, historyBytes: 100 };
    await using store = await openSharedStore(url, { fingerprint: "of the tests", limits });
    const [ana, bob] = [await addPerson(store, "ana"), await addPerson(store, "bob")];
    await addDevice(store, bob, "phone"); // reads nothing
    await send(store, bob, "ana", "so that bob knows her");
    const { accountId, deviceId } = bob;
    for (let part = 0; part < 4; part++) {
      const { sequence } = await send(store, ana, "bob", "x".repeat(50));
      await store.acknowledge({ accountId, deviceId, read: sequence });
    }

    const connection = await lookAt(url);
    let prunings = 0;
    const context = {
      limits,
      accounts: new AccountsByName(),
      commits: new CommitTimes(),
      unreadParts: new UnreadParts(),
      roomless: new Roomless(),
      // deno-lint-ignore require-yield -- it finds nothing
      *pruneMailbox() {
        prunings += 1;
        return 0;
      },
    };
    const sends = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        verb: "sendMessage" as const,
        args: [{ senderId: ana.accountId, id: `flood ${index}`, to: "bob", text: "x" }],
      }));
    const run = async (count: number, now: number) => {
      const outcomes = await runHotBatch(context, connection, sends(count), now);
      return outcomes.filter((outcome) =>
        "error" in outcome && (outcome.error as ChatError).code === "mailbox_full"
      ).length;
    };
    await rejects(run(100, 1_000_000), /a mailbox is near its limits/);
    equal(await run(1, 1_000_000), 1);
    deepEqual([await run(100, 1_000_999), prunings], [100, 1], "a batch goes at once");
    await rejects(run(100, 1_001_000), /a mailbox is near its limits/);
    equal(await run(1, 1_001_000), 1);
    // One of bob's devices reads: it is looked at anew.
    const read = { verb: "acknowledge" as const, args: [{ accountId, deviceId, read: 1 }] };
    await runHotBatch(context, connection, [read], 1_001_001);
    await run(1, 1_001_002);
    equal(prunings, 3);
    await connection.close();
  },
);
