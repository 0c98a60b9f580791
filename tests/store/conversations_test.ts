import { deepEqual } from "node:assert/strict";
import { addPerson, send, storeTest } from "./store_helpers.ts";

storeTest(
  "listConversations() walks through all accounts, and names those with whom messages are there",
  async (newStore) => {
    await using s = await newStore();
    const { store } = s;
    const [ana, bob, eve] = [
      await addPerson(store, "ana"),
      await addPerson(store, "bob"),
      await addPerson(store, "eve"),
    ];
    for (const name of ["carl", "dora", "zoe"]) await addPerson(store, name);
    await send(store, ana, "zoe", "to zoe");
    await send(store, eve, "ana", "from eve");
    await send(store, bob, "eve", "not ana's");
    await store.removeAccount("eve");
    const page = (after: string | null, limit: number) =>
      store.listConversations({ accountId: ana.accountId, after, limit });
    deepEqual(await page(null, 9), { names: ["eve", "zoe"], next: null });
    deepEqual(await page(null, 2), { names: [], next: "bob" });
    deepEqual(await page("bob", 3), { names: ["eve"], next: "eve" });
    deepEqual(await page("eve", 3), { names: ["zoe"], next: null });
    await send(store, ana, "ana", "to herself");
    deepEqual((await page(null, 1)).names, ["ana"]);
  },
);
