/**
 * What a fault is, and what faults are made of.
 * @module
 */
import type { World } from "./world.ts";

/** One kind of fault. */
export interface Fault {
  readonly name: string;
  /** How long it is held at least and at most, in milliseconds, in a short run and in a long one; moments by default. */
  readonly holdMs?: { readonly short: Span; readonly long: Span };
  /** With several servers, each round has this one, and only some of the others. */
  readonly inEachRound?: true;
  /** Why it cannot be injected here; undefined where it can. */
  whyNot?(world: World): string | undefined;
  /** Injects it, holds it for about so long, and heals it. Throws when what must come back does not. */
  inject(world: World, holdMs: number): Promise<void>;
}

/** From here to there, in milliseconds. */
export type Span = readonly [least: number, most: number];

/** Tries until it works. Throws when that takes too long. */
export async function within(ms: number, what: string, attempt: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() - startedAt > ms) {
        throw new Error(`The server did not ${what}, in ${ms} ms`, { cause: error });
      }
      await pause(50);
    }
  }
}

/** Rests. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
