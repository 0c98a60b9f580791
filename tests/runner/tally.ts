/**
 * Sums the reports of several test runs into the closing line of `.ci/run`.
 *
 * Arguments: the file that `run_tests.ts` added its lines to, and how many other steps failed.
 * @module
 */
import { closingLine, type TestCounts } from "./junit.ts";
import { complain, say } from "../../build/tool.ts";

const [path, otherFailures] = Deno.args;
if (path === undefined || otherFailures === undefined) {
  complain("Usage: tally.ts REPORT FAILED_STEPS");
  Deno.exit(2);
}

const runs = Deno.readTextFileSync(path).split("\n").filter((line) => line !== "")
  .map((line) => JSON.parse(line) as TestCounts & { deno: string; arguments: string[] });
for (const run of runs) say(`  Deno ${run.deno} ${run.arguments.join(" ")}: ${closingLine(run)}`);

const total: TestCounts = {
  passed: sum(runs.map((run) => run.passed)),
  failed: sum(runs.map((run) => run.failed)) + Number(otherFailures),
  skipped: sum(runs.map((run) => run.skipped)),
};
say("");
say(closingLine(total));
Deno.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
