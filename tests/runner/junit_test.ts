import assert from "node:assert/strict";
import { join } from "node:path";
import { tempFolder } from "../helpers/temp_folder.ts";
import { runProgram } from "../helpers/program.ts";
import { closingLine, NO_TESTS, readJunitReport } from "./junit.ts";

Deno.test("readJunitReport() counts what Deno reports: tests, not steps, what failed, and the names of those left out", async () => {
  using folder = tempFolder();
  const file = join(folder.path, "sample_test.ts");
  const report = join(folder.path, "report.xml");
  await Deno.writeTextFile(
    file,
    `Deno.test("passes", () => {});
     Deno.test("a > b, not a step of a", () => {});
     Deno.test({ name: "<waits> & [left out: needs \\"root\\"]", ignore: true, fn() {} });
     Deno.test("fails", () => { throw new Error("</testcase> on purpose"); });
     Deno.test("has steps", async (t) => {
       await t.step("first", () => {});
       await t.step("second", () => { throw new Error("on purpose"); });
     });`,
  );
  const { code } = await runProgram(Deno.execPath(), ["test", "--no-config", `--junit-path=${report}`, file]);
  assert.equal(code, 1);
  const { failures, ...rest } = readJunitReport(await Deno.readTextFile(report));
  assert.deepEqual(failures.map(({ name, reason }) => `${name}: ${reason.split("\n")[0]}`), [
    "fails: Error: </testcase> on purpose",
    "has steps: 1 test step failed.",
    "has steps > second: Error: on purpose",
  ]);
  assert.deepEqual(rest, {
    passed: 2,
    failed: 2,
    skipped: 1,
    skippedNames: ['<waits> & [left out: needs "root"]'],
  });
});

Deno.test("readJunitReport() of no report counts nothing", () => {
  assert.deepEqual(readJunitReport(""), NO_TESTS);
});

Deno.test("closingLine() is the plain line that a gate reads", () => {
  assert.equal(closingLine({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  assert.equal(closingLine({ passed: 3, failed: 1, skipped: 2 }), "3 passed, 1 failed, 2 skipped");
});
