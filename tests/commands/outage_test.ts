import assert from "node:assert/strict";
import type { LinkState } from "../../lib/client/server_link.ts";
import { Outage, type OutageTeller } from "../../lib/commands/outage.ts";
import { waitUntil } from "../helpers/wait_until.ts";

const LOST: Extract<LinkState, { kind: "waiting" }> = {
  kind: "waiting",
  retryAtMs: 0,
  reason: "Connection to the server was lost: the connection was reset",
  error: null,
  announced: null,
};

/** Notes what a person is told. */
function note(): { told: string[]; teller: OutageTeller } {
  const told: string[] = [];
  const tell = (what: string) => (more?: unknown) =>
    void told.push(more === undefined ? what : `${what}: ${more}`);
  const teller = {
    announced: tell("announced"),
    disconnected: tell("disconnected"),
    reconnected: tell("reconnected"),
    stopped: tell("stopped"),
    undelivered: tell("undelivered"),
    delivered: tell("delivered"),
  };
  return { told, teller };
}

Deno.test("Outage tells of a longer break when it has lasted a while, why it began, and once when it is over", async () => {
  const { told, teller } = note();
  using outage = new Outage(teller, 1);
  outage.goesOn(LOST, true);
  outage.goesOn({ ...LOST, reason: "Cannot reach it" }, true);
  assert.deepEqual(told, []);
  await waitUntil("the break is told", () => told.length > 0);
  outage.goesOn(LOST, true);
  outage.isOver();
  assert.deepEqual(told, [`disconnected: ${LOST.reason}`, "reconnected: null"]);
});

Deno.test("Outage tells of a restart at once, and in one line where it is over at once", () => {
  const { told, teller } = note();
  using outage = new Outage(teller, 60_000);
  outage.goesOn({ ...LOST, announced: "restart" }, true);
  outage.isOver();
  assert.deepEqual(told, ["announced: restart", "reconnected: restart"]);
});

Deno.test("Outage tells whoever has not been online yet only that there is a connection now", () => {
  const { told, teller } = note();
  using outage = new Outage(teller, 60_000);
  outage.goesOn(LOST, false);
  outage.isOver();
  assert.deepEqual(told, ["reconnected: null"]);
});

Deno.test("Outage says nothing of a connection that is told elsewhere, and takes back what it has announced", () => {
  const { told, teller } = note();
  using outage = new Outage(teller, 60_000);
  outage.goesOn({ ...LOST, announced: "restart" }, true);
  outage.isOver(true);
  outage.isOver();
  assert.deepEqual(told, ["announced: restart", "stopped"]);
});
