import assert from "node:assert/strict";
import { Flood } from "../../lib/commands/flood.ts";
import type { LiveLine } from "../../lib/terminal/live_line.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** A terminal whose lines are listed: those that are there for good, and the one that changes. */
class ListedLines {
  readonly printed: string[] = [];
  changing: string | null = null;

  printAbove(line: string): void {
    this.printed.push(line);
  }

  liveLine(): LiveLine {
    const remove = () => void (this.changing = null);
    return {
      update: (text) => void (this.changing = text),
      commit: (text) => {
        this.printed.push(text!);
        remove();
      },
      remove,
      [Symbol.dispose]: remove,
    };
  }
}

function words(more: number, from: string): string {
  return `${more} more from ${from}`;
}

Deno.test("Flood: tells the first at once, counts the rest in one line, and lets others through meanwhile", async () => {
  const terminal = new ListedLines();
  let now = 0;
  using flood = new Flood(terminal, { words, now: () => now, quietMs: 10 });
  const told = Array.from({ length: 100 }, (_, index) => flood.tell("eve", `eve ${index + 1}`));
  assert.deepEqual(told, told.map((_, index) => index < 5));
  assert.ok(flood.tell("bob", "bob 1"));
  const first = ["eve 1", "eve 2", "eve 3", "eve 4", "eve 5", "bob 1"];
  assert.deepEqual(terminal.printed, first);
  assert.equal(terminal.changing, "95 more from eve");
  // However slowly it goes on, as long as it does.
  now += 60_000;
  assert.ok(!flood.tell("eve", "eve 101"));
  await waitUntil("the flood is over", () => terminal.changing === null);
  assert.deepEqual(terminal.printed, [...first, "96 more from eve"]);
  assert.ok(flood.tell("eve", "eve 102"));
});

Deno.test("Flood: many people share what is told, one that is counted alone is told after all, and what was seen is forgotten", async () => {
  const terminal = new ListedLines();
  using flood = new Flood(terminal, { words, now: () => 0, quietMs: 10 });
  for (let number = 1; number <= 11; number++) flood.tell(`n${number}`, `line ${number}`);
  assert.equal(terminal.changing, "line 11");
  await waitUntil("the flood is over", () => terminal.changing === null);
  assert.deepEqual(terminal.printed, Array.from({ length: 11 }, (_, index) => `line ${index + 1}`));
  for (const name of ["a\nb", "a\nb", "c", "d"]) flood.tell(name, name);
  assert.equal(terminal.changing, "4 more from a b and 2 others");
  flood.forget();
  assert.equal(terminal.changing, null);
  assert.equal(terminal.printed.length, 11);
});
