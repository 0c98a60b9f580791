import { deepEqual, equal } from "node:assert/strict";
import { addPerson, refused, send, storeTest } from "./store_helpers.ts";

storeTest("a report holds the texts as the mailbox has them, until it is closed", async (newStore) => {
  await using s = await newStore();
  const { store, clock } = s;
  const [ana, eve] = [await addPerson(store, "ana"), await addPerson(store, "eve")];
  const first = await send(store, eve, "ana", "\0spam\0 \u{1f600}");
  const second = await send(store, eve, "ana", "more spam");
  const own = await send(store, ana, "eve", "stop it");
  const report = {
    reporterId: ana.accountId,
    name: "eve",
    why: "she \0 spams",
    sequences: [second.sequence],
  };
  await refused(store.reportUser({ ...report, name: "nobody" }), "not_found");
  await refused(store.reportUser({ ...report, name: "ana" }), "invalid");
  await refused(
    store.reportUser({ ...report, sequences: [own.sequence] }),
    "not_found",
    /Cannot find message/,
  );
  await refused(store.reportUser({ ...report, reporterId: eve.accountId, name: "ana" }), "not_found");
  // What is reported twice is there once.
  const sequences = [first.sequence, second.sequence, second.sequence];
  const { reportId } = await store.reportUser({ ...report, sequences });
  await store.removeAccount("eve");
  const { reportId: later } = await store.reportUser({ ...report, sequences: [] });

  const createdAt = clock.at;
  const listed = { createdAt, reporter: "ana", reported: "eve", closedAt: null };
  deepEqual(await store.listReports({ after: 0, limit: 10 }), [
    { id: reportId, ...listed, messageCount: 2 },
    { id: later, ...listed, messageCount: 0 },
  ]);
  deepEqual((await store.listReports({ after: reportId, limit: 10 })).map(({ id }) => id), [later]);
  deepEqual(await store.openReport(reportId), {
    id: reportId,
    ...listed,
    messageCount: 2,
    why: "she \0 spams",
    messages: [first, second].map(({ sequence, id, storedAt }, index) => ({
      sequence,
      id,
      text: index === 0 ? "\0spam\0 \u{1f600}" : "more spam",
      storedAt,
    })),
  });
  await store.closeReport(reportId);
  clock.at += 1;
  await store.closeReport(reportId);
  const closed = await store.openReport(reportId);
  deepEqual([closed.why, closed.messages, closed.closedAt], [null, [], createdAt]);
  await refused(store.openReport(99), "not_found");
  await refused(store.closeReport(99), "not_found");
  equal((await store.listReports({ after: 0, limit: 1 })).length, 1);
});

storeTest(
  "one account fills no disk with reports: once 20 are open, the operator has to close one",
  async (newStore) => {
    await using s = await newStore();
    const { store } = s;
    const [ana, bob] = [await addPerson(store, "ana"), await addPerson(store, "bob")];
    await addPerson(store, "eve");
    const report = (reporterId: number) =>
      store.reportUser({ reporterId, name: "eve", why: "spam", sequences: [] });
    const made = await Promise.allSettled(Array.from({ length: 25 }, () => report(ana.accountId)));
    equal(made.filter(({ status }) => status === "fulfilled").length, 20);
    await refused(report(ana.accountId), "too_large", /20 of your reports wait/);
    await report(bob.accountId);
    await store.closeReport((await store.listReports({ after: 0, limit: 1 }))[0]!.id);
    await report(ana.accountId);
    await refused(report(ana.accountId), "too_large");
  },
);
