/**
 * Reads the report that `deno test --junit-path` writes: how many tests passed, failed, were left out, and which.
 * @module
 */

/** Counts of tests; the steps inside a test are not counted on their own. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A report in numbers, and the names of the tests that did not run. */
export interface TestReport extends TestCounts {
  /** Names as registered, in the order of the report. */
  readonly skippedNames: readonly string[];
}

/**
 * Counts the tests of a JUnit report.
 *
 * @param xml The whole file, as Deno writes it.
 */
export function readJunitReport(xml: string): TestReport {
  let passed = 0, failed = 0;
  const skippedNames: string[] = [];
  for (const [, suite = ""] of xml.matchAll(/<testsuite ([\s\S]*?)<\/testsuite>/g)) {
    const cases = [...suite.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)];
    const names = new Set(cases.map(([, name]) => name));
    for (const [, name = "", body = ""] of cases) {
      if (isStep(name, names)) continue;
      if (/<(failure|error)\b/.test(body)) failed++;
      else if (/<skipped\b/.test(body)) skippedNames.push(decodeEntities(name));
      else passed++;
    }
  }
  return { passed, failed, skipped: skippedNames.length, skippedNames };
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
