/**
 * `deno task test`: runs the tests with what they need and no more, then says which were left out, and why.
 *
 * Arguments go to `deno test`: files, folders, `--filter`. Types are checked by `deno task ok`, once for all files. Where `MINI_CHAT_TEST_REPORT` names a file, one line
 * of JSON with the counts and the failures is added to it, for `.ci/run` to sum.
 * @module
 */
import { join } from "node:path";
import { closingLine, NO_TESTS, readJunitReport, type TestReport } from "./junit.ts";
import { TEST_PERMISSIONS } from "../../build/permissions.ts";
import { runDeno, say } from "../../build/tool.ts";
import { startSharedCluster } from "../helpers/postgres.ts";

/** The mark that `testWith` puts behind the name of a test that it leaves out. */
const LEFT_OUT = /^(.*) \[left out: (.*)\]$/s;

const E2E_FOLDER = "tests/e2e";
/** End-to-end tests wait for other processes much of their time, so several files of them run at once. */
const E2E_FILES_AT_ONCE = 6;
/** Beside all other tests, which wait too. */
const E2E_FILES_AMONG_OTHERS = 4;

/** What waits for 35 to 50 s, for limits that clients and servers really have, and costs next to nothing meanwhile. */
const LONG_WAITS = ["cut_network", "deaf_reader", "half_dead", "stranger"].map((name) =>
  `${E2E_FOLDER}/${name}_test.ts`
);

/**
 * All other tests in three parts of about the same time; the third is the rest. Each is a process of its own, in which one file runs
 * after the other, since tests of one process share locks, descriptors and signals.
 */
const PARTS = [
  ["tests/store", "tests/server"],
  ["tests/chat", "tests/client", "tests/commands", "tests/mail", "tests/net", "tests/terminal"],
];

async function main(): Promise<number> {
  await using _cluster = await startSharedCluster();
  let code = 0;
  let total = NO_TESTS;
  for (const run of await Promise.all(runsSideBySide().map(runOnce))) {
    code ||= run.code;
    total = {
      passed: total.passed + run.report.passed,
      failed: total.failed + run.report.failed,
      skipped: total.skipped + run.report.skipped,
      failures: [...total.failures, ...run.report.failures],
      skippedNames: [...total.skippedNames, ...run.report.skippedNames],
    };
  }
  for (const name of total.skippedNames) {
    const [, test, reason] = LEFT_OUT.exec(name) ?? [undefined, name, "ignored without a reason"];
    say(`left out: ${test}: ${reason}`);
  }
  say(closingLine(total));
  await addToReport({ ...total, deno: Deno.version.deno, arguments: Deno.args });
  return code !== 0 ? code : total.failed > 0 ? 1 : 0;
}

/** One `deno test`. */
interface Run {
  readonly args: readonly string[];
  /** Files at once; one by default. */
  readonly jobs?: number;
  /** When what it says is shown: at once, or when it has ended. */
  readonly output: "inherit" | "after";
}

/** Everything begins at once, since each part waits for something else at another moment: alone, none keeps two cores busy. */
function runsSideBySide(): Run[] {
  const paths = Deno.args.filter((argument) => argument.startsWith("tests"));
  if (paths.length > 0) {
    const isE2e = paths.every((path) => path.startsWith(E2E_FOLDER));
    return [{ args: Deno.args, output: "inherit", ...(isE2e ? { jobs: E2E_FILES_AT_ONCE } : {}) }];
  }
  const rest = [`--ignore=${[E2E_FOLDER, ...PARTS.flat()].join(",")}`, "tests"];
  const withFlags = (args: readonly string[]) => [...Deno.args, ...args];
  return [
    {
      args: withFlags([`--ignore=${LONG_WAITS.join(",")}`, E2E_FOLDER]),
      jobs: E2E_FILES_AMONG_OTHERS,
      output: "inherit",
    },
    { args: withFlags(LONG_WAITS), jobs: LONG_WAITS.length, output: "after" },
    ...[...PARTS, rest].map((args): Run => ({ args: withFlags(args), output: "after" })),
  ];
}

async function runOnce({ args, jobs, output }: Run): Promise<{ code: number; report: TestReport }> {
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-report-" });
  const path = join(folder, "junit.xml");
  try {
    const flags = ["--no-check", ...TEST_PERMISSIONS, `--junit-path=${path}`];
    const code = await runDeno(
      ["test", ...flags, ...(jobs === undefined ? [] : ["--parallel"]), ...args],
      jobs === undefined ? {} : { DENO_JOBS: String(jobs) },
      output,
    );
    let report = readJunitReport(await readIfThere(path));
    if (args.some((argument) => argument.startsWith("--filter"))) {
      // Deno reports what the filter passed over as skipped too; nobody missed that.
      const skippedNames = report.skippedNames.filter((name) => LEFT_OUT.test(name));
      report = { ...report, skippedNames, skipped: skippedNames.length };
    }
    // A module that could not even be loaded is in no report.
    if (code !== 0 && report.failed === 0) {
      const reason = `Deno ended with code ${code}, and reports no test that failed: see what it printed`;
      report = { ...report, failed: 1, failures: [{ name: args.join(" "), reason }] };
    }
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
