import { deepEqual } from "node:assert/strict";
import { addPerson, DAY_MS, refused, storeTest } from "./store_helpers.ts";

storeTest("what an operator does is noted with it, and what is refused is not", async (newStore) => {
  await using s = await newStore();
  const { store, clock } = s;
  await addPerson(store, "eve");
  const by = (act: string, subject: string) => ({ actor: "root (uid 0)", act, subject });
  await store.operate(by("user disable", "eve"), "setDisabled", ["eve", true]);
  await refused(store.operate(by("user disable", "nobody"), "setDisabled", ["nobody", true]), "not_found");
  const made = await store.operate(by("user add", "bob"), "createAccount", [{
    name: "bob",
    passwordHash: "secret",
    joinCode: null,
  }]);
  deepEqual((await store.findCredentials("bob", null))?.accountId, (made as { accountId: number }).accountId);
  const at = clock.at;
  const first = await store.listAudit({ from: 0, after: 0, limit: 10 });
  deepEqual(first.map(({ id: _, ...entry }) => entry), [
    { ...by("user disable", "eve"), at },
    { ...by("user add", "bob"), at },
  ]);
  clock.at += 1;
  await store.operate(by("user enable", "eve"), "setDisabled", ["eve", false]);
  const acts = async (page: { from: number; after: number; limit: number }) =>
    (await store.listAudit(page)).map(({ act }) => act);
  deepEqual(await acts({ from: clock.at, after: 0, limit: 10 }), ["user enable"]);
  deepEqual(await acts({ from: 0, after: first[0]!.id, limit: 1 }), ["user add"]);
  clock.at += 730 * DAY_MS;
  await store.operate(by("lockdown", "off"), "endLockdown", []);
  await store.noteAct(by("move", "from data to PostgreSQL"));
  deepEqual((await acts({ from: 0, after: 0, limit: 10 })).length, 5, "by a wrong clock alone none is lost");
  await store.prune();
  deepEqual(await acts({ from: 0, after: 0, limit: 10 }), ["user enable", "lockdown", "move"]);
});
