import { equal, ok } from "node:assert/strict";
import { lookAt, newDatabase, POSTGRES } from "../../helpers/postgres.ts";
import { testWith } from "../../helpers/needs.ts";
import { openSharedStore } from "../../../lib/store/open.ts";
import { addPerson, send } from "../store_helpers.ts";

/** A server that is frozen or cut off in the middle of a batch may hold mailboxes no longer than this. */
const HELD_AT_MOST_MS = 5_000;

testWith(
  POSTGRES,
  "a server that stops in the middle of a batch holds its mailboxes for 5 s at most",
  async () => {
    const url = await newDatabase();
    await using store = await openSharedStore(url, { fingerprint: "of the tests" });
    const ana = await addPerson(store, "ana");
    const bob = await addPerson(store, "bob");
    const frozen = await lookAt(url); // a connection as the servers have them
    await frozen.rows("BEGIN");
    await frozen.rows("SELECT FROM mailboxes WHERE account_id = ANY($1) FOR NO KEY UPDATE", [[
      bob.accountId,
    ]]);
    const startedAt = performance.now();
    const waiting = send(store, ana, "bob", "behind the frozen one");
    equal((await send(store, bob, "ana", "in the next batch")).isDuplicate, false);
    await waiting;
    const heldMs = performance.now() - startedAt;
    ok(heldMs < HELD_AT_MOST_MS, `${heldMs} ms`);
    await frozen.close();
  },
);
