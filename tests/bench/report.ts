/**
 * Figures, each with its limit and its target; as a table, as one JSON object, as a chart.
 *
 * Times alone mean nothing on a noisy machine, so what counts is the ratio to a limit that was measured in the same run,
 * round by round, next to the figure itself.
 * @module
 */

/** What a figure must reach. */
export interface Target {
  /** Key of the figure that it is compared with, or a fixed number in the figure's own unit. */
  readonly of: string | number;
  /** Whether more is better, or less. */
  readonly must: "be at least" | "be at most";
  /** How many times the limit. */
  readonly factor: number;
  /** Added to the limit, in the figure's unit; 0 by default. */
  readonly plus?: number;
}

/** One measured thing, with a sample for each round. */
interface Series {
  readonly unit: string;
  readonly samples: number[];
  target?: Target;
  note?: string;
}

/** One line of the report. */
export interface Line {
  readonly key: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with, in the same unit; unset for figures without a target. */
  readonly limit?: number;
  readonly ratio?: number;
  readonly target?: Target;
  /** Unset where there is no target. */
  readonly isMet?: boolean;
  readonly note?: string;
}

/** Collects samples and makes lines of them. */
export class Report {
  readonly #series = new Map<string, Series>();

  /** Adds a sample. The first one with a target or a note gives it to the figure. */
  add(key: string, unit: string, value: number, extra: { target?: Target; note?: string } = {}): void {
    const series = this.#series.get(key) ?? { unit, samples: [] };
    this.#series.set(key, Object.assign(series, extra));
    series.samples.push(value);
  }

  /** The median of a figure's samples so far; undefined when it was not measured. */
  median(key: string): number | undefined {
    const series = this.#series.get(key);
    return series && median(series.samples);
  }

  /** One line for each figure, in the order in which they were first measured. */
  lines(): Line[] {
    return [...this.#series].map(([key, series]) => this.#line(key, series));
  }

  /** One flat object: each key with its number; `ratios` and `missed` beside them. */
  json(machine: Record<string, unknown>): Record<string, unknown> {
    const lines = this.lines();
    return {
      ...Object.fromEntries(lines.map(({ key, value }) => [key, rounded(value)])),
      ratios: Object.fromEntries(
        lines.flatMap(({ key, ratio }) => ratio === undefined ? [] : [[key, rounded(ratio)]]),
      ),
      missed: lines.filter(({ isMet }) => isMet === false).map(({ key }) => key),
      machine,
    };
  }

  /** The report as a Markdown table that is also fit for a terminal. */
  table(): string {
    const rows = [["key", "median", "limit", "ratio", "target", ""]];
    for (const { key, value, unit, limit, ratio, target, isMet, note } of this.lines()) {
      rows.push([
        key,
        `${shown(value)} ${unit}`,
        limit === undefined
          ? ""
          : `${shown(limit)}${typeof target?.of === "string" ? ` (${target.of})` : ""}`,
        ratio === undefined ? "" : ratio.toFixed(2),
        target ? `${target.must === "be at least" ? "≥" : "≤"} ${target.factor}` : "",
        [isMet === undefined ? "" : isMet ? "met" : "MISSED", note ?? ""].filter(Boolean).join("; "),
      ]);
    }
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
    const lines = rows.map((row) =>
      `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
    );
    lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
    return lines.join("\n");
  }

  #line(key: string, { unit, samples, target, note }: Series): Line {
    const value = median(samples);
    const plain = { key, value, unit, ...(note === undefined ? {} : { note }) };
    if (!target) return plain;
    const limits = typeof target.of === "number" ? [target.of] : this.#series.get(target.of)?.samples;
    if (!limits || limits.length === 0) return plain;
    const plus = target.plus ?? 0;
    const limit = median(limits) + plus;
    // Round by round, where there was one of each: what slowed the figure slowed its limit too.
    const ratio = limits.length === samples.length
      ? median(samples.map((sample, round) => sample / (limits[round]! + plus)))
      : value / limit;
    const isMet = target.must === "be at least" ? ratio >= target.factor : ratio <= target.factor;
    return { ...plain, limit, ratio, target, isMet };
  }
}

/** The middle one; NaN of nothing. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** The sample that this share of all samples does not exceed. */
export function percentile(samples: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

function shown(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) : value.toFixed(3);
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
