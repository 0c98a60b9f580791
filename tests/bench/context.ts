/**
 * What every measurement is given.
 * @module
 */
import type { Report } from "./report.ts";

/** The run that a measurement belongs to. */
export interface BenchContext {
  readonly report: Report;
  /** True for a run that only tries things: shorter, smaller, fewer rounds. */
  readonly isQuick: boolean;
  /** Length of one measured window, in milliseconds. */
  readonly durationMs: number;
  /** How often each figure is measured. */
  readonly rounds: number;
  /** Makes an empty folder on the disk that is measured; gone when the run ends. */
  newFolder(): Promise<string>;
  /** Says on standard error what is going on. */
  say(line: string): void;
}
