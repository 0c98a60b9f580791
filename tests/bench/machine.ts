/**
 * What machine a run was made on, without a word that names it.
 * @module
 */
import { processorName } from "./proc.ts";

/** The machine and the runtime. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly deno: string;
  /** Load average of the last minute when the run began: what others did meanwhile. */
  readonly loadBefore: number;
  /** Day of the run, in UTC. */
  readonly day: string;
}

/** Looks at this machine. */
export async function describeMachine(): Promise<Machine> {
  return {
    processor: await processorName(),
    cores: navigator.hardwareConcurrency,
    memoryGib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    system: `${Deno.build.os} (${Deno.build.arch})`,
    deno: Deno.version.deno,
    loadBefore: Deno.loadavg()[0] ?? 0,
    day: new Date().toISOString().slice(0, 10),
  };
}
