/**
 * `deno task test`: runs the tests with what they need and no more, then says which were left out, and why.
 *
 * Arguments go to `deno test`: files, folders, `--filter`. Types are checked by `deno task ok`, once for all files. Where `MINI_CHAT_TEST_REPORT` names a file, one line
 * of JSON with the counts is added to it, for `.ci/run` to sum.
 * @module
 */
import { join } from "node:path";
import { closingLine, readJunitReport, type TestReport } from "./junit.ts";
import { TEST_PERMISSIONS } from "../../build/permissions.ts";
import { runDeno, say } from "../../build/tool.ts";
import { startSharedCluster } from "../helpers/postgres.ts";

/** The mark that `testWith` puts behind the name of a test that it leaves out. */
const LEFT_OUT = /^(.*) \[left out: (.*)\]$/s;

/** End-to-end tests wait for other processes most of their time, so several files of them run at once. */
const E2E_FOLDER = "tests/e2e";
const E2E_FILES_AT_ONCE = 6;

/** About half of all other tests, by time: two processes, since tests of one process share locks, descriptors and signals. */
const OTHER_HALF = [
  "tests/commands",
  "tests/client",
  "tests/peer",
  "tests/mail",
  "tests/terminal",
];

async function main(): Promise<number> {
  await using _cluster = await startSharedCluster();
  let code = 0;
  let total: TestReport = { passed: 0, failed: 0, skipped: 0, skippedNames: [] };
  for (const sideBySide of argumentsOfRuns()) {
    const runs = await Promise.all(
      sideBySide.map((args, index) => runOnce(args, index === 0 ? "inherit" : "after")),
    );
    for (const run of runs) {
      code ||= run.code;
      total = {
        passed: total.passed + run.report.passed,
        failed: total.failed + run.report.failed,
        skipped: total.skipped + run.report.skipped,
        skippedNames: [...total.skippedNames, ...run.report.skippedNames],
      };
    }
  }
  for (const name of total.skippedNames) {
    const [, test, reason] = LEFT_OUT.exec(name) ?? [undefined, name, "ignored without a reason"];
    say(`left out: ${test}: ${reason}`);
  }
  say(closingLine(total));
  await addToReport({ ...total, deno: Deno.version.deno, arguments: Deno.args });
  return code !== 0 ? code : total.failed > 0 ? 1 : 0;
}

/** The arguments of each `deno test`: two halves side by side, then the end-to-end tests. */
function argumentsOfRuns(): string[][][] {
  const paths = Deno.args.filter((argument) => argument.startsWith("tests"));
  if (paths.length > 0) {
    const isE2e = paths.every((path) => path.startsWith(E2E_FOLDER));
    return [[isE2e ? ["--parallel", ...Deno.args] : Deno.args]];
  }
  const ignored = [E2E_FOLDER, ...OTHER_HALF].join(",");
  return [
    [[...Deno.args, `--ignore=${ignored}`, "tests"], [...Deno.args, ...OTHER_HALF]],
    [["--parallel", ...Deno.args, E2E_FOLDER]],
  ];
}

async function runOnce(
  args: readonly string[],
  output: "inherit" | "after",
): Promise<{ code: number; report: TestReport }> {
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-report-" });
  const path = join(folder, "junit.xml");
  try {
    const env = { DENO_JOBS: String(E2E_FILES_AT_ONCE) };
    const code = await runDeno(
      ["test", "--no-check", ...TEST_PERMISSIONS, `--junit-path=${path}`, ...args],
      env,
      output,
    );
    let report = readJunitReport(await readIfThere(path));
    if (args.some((argument) => argument.startsWith("--filter"))) {
      // Deno reports what the filter passed over as skipped too; nobody missed that.
      const skippedNames = report.skippedNames.filter((name) => LEFT_OUT.test(name));
      report = { ...report, skippedNames, skipped: skippedNames.length };
    }
    // A module that could not even be loaded is in no report.
    if (code !== 0 && report.failed === 0) report = { ...report, failed: 1 };
    return { code, report };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function addToReport(line: unknown): Promise<void> {
  const path = Deno.env.get("MINI_CHAT_TEST_REPORT");
  if (path) await Deno.writeTextFile(path, JSON.stringify(line) + "\n", { append: true });
}

Deno.exit(await main());
