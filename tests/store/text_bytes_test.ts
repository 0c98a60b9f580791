import { equal } from "node:assert/strict";
import fc from "fast-check";
import { addPerson, readMailbox, send, storeTest } from "./store_helpers.ts";

storeTest(
  "sendMessage() counts the bytes that an encoder writes, for any text, and gives it back whole",
  async (newStore) => {
    await using s = await newStore({ mailboxMessages: Infinity });
    const ana = await addPerson(s.store, "ana");
    const encoder = new TextEncoder();
    const unreadBytes = async () => {
      const { accounts } = await s.store.listAccounts({ after: null, limit: 1 });
      return accounts[0]!.unreadBytes;
    };
    const check = async (text: string) => {
      const before = await unreadBytes();
      const { sequence } = await send(s.store, ana, "ana", text);
      equal(await unreadBytes() - before, encoder.encode(text).length);
      equal((await readMailbox(s.store, ana.accountId, sequence - 1))[0]!.text, text.toWellFormed());
    };
    const anyUnits = fc.array(fc.nat({ max: 0xffff })).map((units) => String.fromCharCode(...units));
    await fc.assert(fc.asyncProperty(fc.oneof(fc.string({ unit: "binary" }), anyUnits), check));
    const edges = [
      "",
      "a",
      "\0",
      "\x7f",
      "\x80",
      "\u07ff",
      "\u0800",
      "\uffff",
      "\u{10000}",
      "\ud800",
      "\udc00\ud800",
    ];
    for (const text of edges) await check(text);
  },
);
