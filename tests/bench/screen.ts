/**
 * A real client whose lines on standard output are its recipient's screen.
 * @module
 */
import type { BenchContext } from "./context.ts";
import type { Target } from "./load.ts";
import type { Person } from "./population.ts";

/** A client that prints what arrives. */
export interface Screen extends AsyncDisposable {
  /** Tells of each line that begins with an id, and when it was read. */
  onShown(tell: (id: string, at: number) => void): void;
}

/** Starts `tail` of the client for a person; null where there is no client yet. */
export async function startScreen(
  _context: BenchContext,
  _target: Target,
  _person: Person,
): Promise<Screen | null> {
  return await Promise.resolve(null);
}
