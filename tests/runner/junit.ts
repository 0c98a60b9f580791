/**
 * Reads the report that `deno test --junit-path` writes: how many tests passed, failed, were left out, which, and why.
 * @module
 */

/** Counts of tests; the steps inside a test are not counted on their own. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A test that failed, or a step of one. */
export interface Failure {
  /** As registered; a step's behind that of its test. */
  readonly name: string;
  /** The error and where it was thrown; several lines. */
  readonly reason: string;
}

/** A report in numbers, the tests that failed, and the names of those that did not run. */
export interface TestReport extends TestCounts {
  /** In the order of the report; failed steps stand in it too, and count in no number. */
  readonly failures: readonly Failure[];
  /** Names as registered, in the order of the report. */
  readonly skippedNames: readonly string[];
}

/** The report of no test. */
export const NO_TESTS: TestReport = { passed: 0, failed: 0, skipped: 0, failures: [], skippedNames: [] };

/**
 * Counts the tests of a JUnit report.
 *
 * @param xml The whole file, as Deno writes it.
 */
export function readJunitReport(xml: string): TestReport {
  let passed = 0, failed = 0;
  const failures: Failure[] = [];
  const skippedNames: string[] = [];
  for (const [, suite = ""] of xml.matchAll(/<testsuite ([\s\S]*?)<\/testsuite>/g)) {
    const cases = [...suite.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)];
    const names = new Set(cases.map(([, name]) => name));
    for (const [, name = "", body = ""] of cases) {
      const [, , reason] = /<(failure|error)\b[^>]*>([\s\S]*?)<\/\1>/.exec(body) ?? [];
      if (reason !== undefined) failures.push({ name: decodeEntities(name), reason: decodeEntities(reason) });
      if (isStep(name, names)) continue;
      if (reason !== undefined) failed++;
      else if (/<skipped\b/.test(body)) skippedNames.push(decodeEntities(name));
      else passed++;
    }
  }
  return { passed, failed, skipped: skippedNames.length, failures, skippedNames };
}

/** The plain line that tells a run in numbers: `12 passed, 0 failed`, and `, 3 skipped` where there are any. */
export function closingLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}

/** Deno names a step `test > step`; it is one only if that test is in the report too. */
function isStep(name: string, names: ReadonlySet<string | undefined>): boolean {
  const separator = " &gt; ";
  for (let at = name.indexOf(separator); at >= 0; at = name.indexOf(separator, at + 1)) {
    if (names.has(name.slice(0, at))) return true;
  }
  return false;
}

function decodeEntities(text: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (decimal) return String.fromCodePoint(Number(decimal));
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    return entities[name] ?? whole;
  });
}
