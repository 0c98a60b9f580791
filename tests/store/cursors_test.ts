import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { addDevice, addPerson, send, storeTest } from "./store_helpers.ts";

storeTest(
  "acknowledge() tells each sender how far its own newest message got, on the first device only",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const eve = await addPerson(s.store, "eve");
    const bob = await addPerson(s.store, "bob");
    const phone = await addDevice(s.store, bob);
    const one = await send(s.store, ana, "bob", "1");
    const two = await send(s.store, eve, "bob", "2");
    const three = await send(s.store, ana, "bob", "3");
    const acknowledge = (deviceId: string, cursors: { delivered?: number; read?: number }) =>
      s.store.acknowledge({ accountId: bob.accountId, deviceId, ...cursors });

    deepEqual(await acknowledge(bob.deviceId, { delivered: two.sequence }), [
      { senderId: ana.accountId, delivered: one.sequence },
      { senderId: eve.accountId, delivered: two.sequence },
    ]);
    deepEqual(await acknowledge(phone.deviceId, { delivered: two.sequence }), []);
    deepEqual(await acknowledge(bob.deviceId, { read: two.sequence }), [], "reading is not shared");
    await s.store.updateSettings(bob.accountId, { shareRead: true });
    deepEqual(await acknowledge(phone.deviceId, { read: 1e9 }), [
      { senderId: ana.accountId, delivered: three.sequence, read: three.sequence },
    ]);
    deepEqual(await acknowledge("no-such-device", { read: 1e9 }), []);
    deepEqual(await acknowledge(ana.deviceId, { read: 1e9 }), [], "the device of another account");
  },
);

storeTest(
  "acknowledge() takes as long in a full mailbox as in an empty one: it once walked through all of it",
  async (newStore) => {
    await using s = await newStore({ mailboxMessages: 100_000 });
    const ana = await addPerson(s.store, "ana");
    const [newcomer, collector] = [
      await addPerson(s.store, "newcomer"),
      await addPerson(s.store, "collector"),
    ];
    await Promise.all(Array.from({ length: 9_000 }, () => send(s.store, ana, "collector", "kept")));
    /** How long a batch of acknowledgements takes, each of one new message. */
    async function batchMs({ name, accountId, deviceId }: typeof ana): Promise<number> {
      const sent = await Promise.all(Array.from({ length: 50 }, () => send(s.store, ana, name, "new")));
      const startedAt = performance.now();
      await Promise.all(
        sent.map(({ sequence }) => s.store.acknowledge({ accountId, deviceId, delivered: sequence })),
      );
      return performance.now() - startedAt;
    }
    // Fifty walks through 9,000 messages take some 30 ms more in every batch; the batches themselves take a few. What else the
    // machine does can only add to a batch, so the quickest of each are compared, and one quiet moment is enough.
    let [quick, slow] = [Infinity, Infinity];
    for (let round = 0; round < 5 || (round < 100 && slow >= quick * 2 + 8); round++) {
      quick = Math.min(quick, await batchMs(newcomer));
      slow = Math.min(slow, await batchMs(collector));
    }
    ok(slow < quick * 2 + 8, `${slow} ms in a mailbox of 9,000, ${quick} ms in a small one`);
  },
);

storeTest(
  "acknowledge() never moves a cursor back or beyond the mailbox, and totals stay right, in any order",
  async (newStore) => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("send" as const), text: fc.string({ unit: "grapheme", maxLength: 20 }) }),
      fc.record({
        kind: fc.constant("acknowledge" as const),
        device: fc.nat({ max: 1 }),
        delivered: fc.option(fc.integer({ min: -3, max: 30 }), { nil: undefined }),
        read: fc.option(fc.integer({ min: -3, max: 30 }), { nil: undefined }),
      }),
      fc.record({ kind: fc.constant("prune" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await using s = await newStore({ historyBytes: 30 });
        const ana = await addPerson(s.store, "ana");
        const bob = await addPerson(s.store, "bob");
        const phone = await addDevice(s.store, bob);
        const devices = [bob, phone].map(({ tokenHash, deviceId }) => ({
          tokenHash,
          deviceId,
          read: 0,
          delivered: 0,
        }));
        let highest = 0;
        let kept = 0;
        for (const step of steps) {
          if (step.kind === "send") {
            highest = (await send(s.store, ana, "bob", step.text)).sequence;
            kept += 1;
          } else if (step.kind === "prune") kept -= (await s.store.prune()).messages;
          else {
            const device = devices[step.device]!;
            const { delivered, read } = step;
            await s.store.acknowledge({
              accountId: bob.accountId,
              deviceId: device.deviceId,
              ...(delivered === undefined ? {} : { delivered }),
              ...(read === undefined ? {} : { read }),
            });
            device.read = Math.max(device.read, Math.min(read ?? 0, highest));
            device.delivered = Math.max(device.delivered, device.read, Math.min(delivered ?? 0, highest));
          }
          for (const device of devices) {
            const found = (await s.store.findLogin(device.tokenHash))!;
            deepEqual([found.readSequence, found.deliveredSequence], [device.read, device.delivered]);
          }
        }
        deepEqual(await s.store.checkIntegrity(), []);
        equal(await s.store.highestSequence(bob.accountId), kept > 0 ? highest : 0);
      }),
      { numRuns: 40 },
    );
  },
);
