import assert from "node:assert/strict";
import { FairLine } from "../../lib/chat/throttles/fair_line.ts";
import { ChatError } from "../../lib/errors.ts";

/** A line whose members say their names when it is their turn, or when they are refused. */
class NamedLine {
  readonly line: FairLine;
  readonly heard: string[] = [];

  constructor(maxWaiting = 100) {
    this.line = new FairLine(maxWaiting, () => new ChatError("unavailable", "Cannot wait: the line is full"));
  }

  join(addressGroup: string, name: string): { hasEnded: boolean } {
    const taker = { addressGroup, hasEnded: false };
    this.line.wait(taker).then(() => this.heard.push(name), () => this.heard.push(`not ${name}`));
    return taker;
  }

  async serve(turns: number): Promise<string[]> {
    for (let turn = 0; turn < turns; turn++) this.line.next();
    await new Promise((resolve) => setTimeout(resolve, 0));
    return this.heard.splice(0);
  }
}

Deno.test("FairLine takes each address group in turn, and within one first come first served", async () => {
  const named = new NamedLine();
  for (const name of ["a1", "a2", "a3", "a4", "b1", "c1", "b2"]) named.join(name[0]!, name);
  assert.deepEqual(await named.serve(7), ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
  assert.equal(named.line.next(), false);
});

Deno.test("FairLine lets one from elsewhere go second at most, however many wait from one address group", async () => {
  const named = new NamedLine();
  for (let i = 0; i < 50; i++) named.join("flood", `f${i}`);
  await named.serve(3);
  named.join("honest", "ana");
  assert.ok((await named.serve(2)).includes("ana"));
});

Deno.test("FairLine drops the last of the longest group when it is full, never one from elsewhere", async () => {
  const named = new NamedLine(5);
  for (const name of ["a1", "a2", "a3", "b1", "b2"]) named.join(name[0]!, name);
  named.join("c", "c1");
  named.join("a", "a4");
  assert.deepEqual(await named.serve(0), ["not a3", "not a4"]);
  assert.deepEqual(await named.serve(5), ["a1", "b1", "c1", "a2", "b2"]);
  for (const name of ["a1", "b1", "c1", "d1", "e1"]) named.join(name[0]!, name);
  named.join("f", "f1");
  assert.deepEqual(
    await named.serve(5),
    ["not f1", "a1", "b1", "c1", "d1", "e1"],
    "all have one: who comes last",
  );
});

Deno.test("FairLine passes over those who are gone", async () => {
  const named = new NamedLine();
  const gone = ["a1", "a2", "b1"].map((name) => named.join(name[0]!, name));
  named.join("b", "b2");
  for (const taker of gone) taker.hasEnded = true;
  assert.deepEqual(await named.serve(1), ["not a1", "not b1", "not a2", "b2"]);
  named.join("a", "a3").hasEnded = true;
  assert.equal(named.line.next(), false);
  assert.equal(named.line.length, 0);
});
