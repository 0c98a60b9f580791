/**
 * `deno task test`: runs the tests with what they need and no more, then says which were left out, and why.
 *
 * Arguments go to `deno test`: files, folders, `--filter`. Where `MINI_CHAT_TEST_REPORT` names a file, one line
 * of JSON with the counts is added to it, for `.ci/run` to sum.
 * @module
 */
import { join } from "node:path";
import { closingLine, readJunitReport, type TestReport } from "./junit.ts";
import { TEST_PERMISSIONS } from "./permissions.ts";
import { runDeno, say } from "./tool.ts";

/** The mark that `testWith` puts behind the name of a test that it leaves out. */
const LEFT_OUT = /^(.*) \[left out: (.*)\]$/s;

async function main(): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-report-" });
  const path = join(folder, "junit.xml");
  const what = Deno.args.some((argument) => !argument.startsWith("-")) ? [] : ["tests"];
  let code: number;
  let report: TestReport;
  try {
    code = await runDeno(["test", ...TEST_PERMISSIONS, `--junit-path=${path}`, ...Deno.args, ...what]);
    report = readJunitReport(await readIfThere(path));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  // A module that could not even be loaded is in no report.
  if (code !== 0 && report.failed === 0) report = { ...report, failed: 1 };
  if (Deno.args.some((argument) => argument.startsWith("--filter"))) {
    // Deno reports what the filter passed over as skipped too; nobody missed that.
    const skippedNames = report.skippedNames.filter((name) => LEFT_OUT.test(name));
    report = { ...report, skippedNames, skipped: skippedNames.length };
  }
  for (const name of report.skippedNames) {
    const [, test, reason] = LEFT_OUT.exec(name) ?? [undefined, name, "ignored without a reason"];
    say(`left out: ${test}: ${reason}`);
  }
  say(closingLine(report));
  await addToReport({ ...report, deno: Deno.version.deno, arguments: Deno.args });
  return code !== 0 ? code : report.failed > 0 ? 1 : 0;
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
