/**
 * Sums the reports of several test runs into the closing line of `.ci/run`, and says once more what failed: of a long output
 * often only the end is kept.
 *
 * Arguments: the file that `run_tests.ts` added its lines to, and how many other steps failed.
 * @module
 */
import { closingLine, type TestCounts, type TestReport } from "./junit.ts";
import { complain, say } from "../../build/tool.ts";

const [path, otherFailures] = Deno.args;
/** How much of a failure is repeated, in lines. */
const REASON_LINES = 15;

if (path === undefined || otherFailures === undefined) {
  complain("Usage: tally.ts REPORT FAILED_STEPS");
  Deno.exit(2);
}

const runs = Deno.readTextFileSync(path).split("\n").filter((line) => line !== "")
  .map((line) => JSON.parse(line) as TestReport & { deno: string; arguments: string[] });
for (const run of runs) {
  say(`  Deno ${run.deno} ${run.arguments.join(" ")}: ${closingLine(run)}`);
  for (const { name, reason } of run.failures) {
    say(`    FAILED: ${name}`);
    for (const line of reason.split("\n").slice(0, REASON_LINES)) say(`      ${line}`);
  }
}

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
