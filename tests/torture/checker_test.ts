import assert from "node:assert/strict";
import { judge } from "./checker.ts";
import type { DeviceHistory, Entry } from "./history.ts";

function device(account: string, name: string, ...lives: Entry[][]): DeviceHistory {
  return {
    account,
    device: name,
    lives: lives.map((life) => life.map((entry) => ({ ...entry, at: 0 }))),
  };
}

const wrote = (number: number): Entry => ({ kind: "wrote", number, to: "bob", id: `id${number}` });
const accepted = (number: number, sequence = number): Entry => ({
  kind: "accepted",
  id: `id${number}`,
  sequence,
});
const shows = (number: number, sequence = number): Entry => ({
  kind: "shows",
  id: `id${number}`,
  sequence,
  from: "ana",
  text: `a1 ${number}`,
});
const noted = (sequence: number): Entry => ({ kind: "noted", sequence });

function kinds(...histories: DeviceHistory[]): string[] {
  return judge(histories).violations.map(({ kind }) => kind);
}

const sender = device("ana", "a1", [wrote(1), wrote(2), accepted(1), accepted(2)]);

Deno.test("judge() finds nothing in a history as it must be", () => {
  const verdict = judge([
    sender,
    device("bob", "b1", [shows(1), shows(2), noted(2)]),
    device("bob", "b2", [shows(1)], [noted(1), shows(2)]),
  ]);
  assert.deepEqual(verdict, { violations: [], written: 2, refused: 0, shown: 4, shownAgain: 0 });
});

Deno.test("judge() finds what is lost, on each device by itself, acknowledged or not", () => {
  assert.deepEqual(kinds(sender, device("bob", "b1", [shows(1)])), ["lost"]);
  assert.deepEqual(kinds(device("ana", "a1", [wrote(1)]), device("bob", "b1", [])), ["lost"]);
  assert.deepEqual(kinds(sender, device("bob", "b1", [shows(1), shows(2)]), device("bob", "b2", [])), [
    "lost",
    "lost",
  ]);
  const refused = device("ana", "a1", [wrote(1), { kind: "refused", id: "id1", code: "not_found" }]);
  assert.deepEqual(kinds(refused, device("bob", "b1", [])), []);
});

Deno.test("judge() finds what is doubled, and lets a killed device show again what it had not noted", () => {
  assert.deepEqual(kinds(sender, device("bob", "b1", [shows(1), shows(1), shows(2)])), ["doubled"]);
  assert.deepEqual(kinds(sender, device("bob", "b1", [shows(1), noted(1)], [shows(1), shows(2)])), [
    "doubled",
  ]);
  const killed = device("bob", "b1", [shows(1), noted(1), shows(2)], [shows(2)]);
  assert.equal(judge([sender, killed]).shownAgain, 1);
  assert.deepEqual(kinds(sender, killed), []);
  // The same content under two sequences: stored twice.
  assert.deepEqual(
    kinds(sender, device("bob", "b1", [shows(1), shows(1, 3), shows(2, 4)])).includes("doubled"),
    true,
  );
});

Deno.test("judge() lets the real client show again as many as it notes together, and no more", () => {
  const killed = { ...device("bob", "b1", [shows(1), shows(2)], [shows(2)]), notesAfter: 1 };
  assert.deepEqual(kinds(sender, killed), []);
  const again = { ...device("bob", "b1", [shows(1), shows(2)], [shows(1), shows(2)]), notesAfter: 1 };
  assert.deepEqual(kinds(sender, again), ["doubled"]);
});

Deno.test("judge() finds what is out of order, invented, or not what was acknowledged", () => {
  assert.deepEqual(kinds(sender, device("bob", "b1", [shows(2), shows(1)])), ["out of order"]);
  const swapped = device("ana", "a1", [wrote(1), wrote(2)]);
  assert.deepEqual(kinds(swapped, device("bob", "b1", [shows(2, 1), shows(1, 2)])), ["out of order"]);
  assert.deepEqual(kinds(device("ana", "a1", []), device("bob", "b1", [shows(7)])), ["invented"]);
  assert.deepEqual(kinds(sender, device("bob", "b1", [shows(1), shows(2, 5)])), ["false acknowledgement"]);
});

Deno.test("judge() takes a message whose writer died before it could say that it was written", () => {
  const died = device("ana", "a1", [{ kind: "intends", number: 1, to: "bob" }], [wrote(2)]);
  assert.deepEqual(kinds(died, device("bob", "b1", [shows(1), shows(2)])), []);
  assert.deepEqual(kinds(died, device("bob", "b1", [shows(2)])), []);
});
