/**
 * Tests that try many random inputs, each run with another seed.
 *
 * `MINI_CHAT_FUZZ_SEED` repeats a run, `MINI_CHAT_FUZZ_SCALE` multiplies the number of cases. A failure names its seed.
 * @module
 */
import fc from "fast-check";

/** Seed of this run. */
export const FUZZ_SEED: number = Number(Deno.env.get("MINI_CHAT_FUZZ_SEED") ?? Date.now() % 2 ** 31);

/** How many times the usual number of cases is tried. */
export const FUZZ_SCALE: number = Number(Deno.env.get("MINI_CHAT_FUZZ_SCALE") ?? 1);

/**
 * Registers a test of a property.
 *
 * @param name The behaviour that holds for every input.
 * @param property What is tried; throws where it does not hold.
 * @param runs Inputs tried in the short form.
 */
export function fuzzTest<T>(name: string, property: fc.IRawProperty<T>, runs = 300): void {
  Deno.test(name, async () => {
    await fc.assert(property as fc.IAsyncProperty<T>, { seed: FUZZ_SEED, numRuns: runs * FUZZ_SCALE });
  });
}

/** JSON of any shape, with the keys and values that trip programs up among it. */
export const hostileJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      -0,
      -1,
      1.5,
      1e308,
      2 ** 53,
      "",
      "\u0000",
      "\ud800",
      "__proto__",
    ),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom("__proto__", "constructor", "toString", "id", "name", "text"),
        fc.string({ maxLength: 8 }),
      ),
      tie("value"),
      { maxKeys: 5 },
    ),
  ),
})).value;

/** Text with every kind of character that a terminal or a parser may take for more than a letter. */
export const hostileText: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    fc.constantFrom(
      ..."\u001b[]0m;\u0007\u009b\u009d\r\n\t\u0000\u007f\u200d\u200e\u202e\u2066\u2069\u2028\ufeff\ufe0f\u0301",
    ),
    fc.constantFrom(
      "\u001b[2J",
      "\u001b]0;x\u0007",
      "\u001b]8;;http://x\u001b\\",
      "\u{e0041}",
      "\u{1f468}",
      "\ud800",
      "\udc00",
    ),
    fc.string({ unit: "binary", minLength: 1, maxLength: 4 }),
    fc.string({ minLength: 1, maxLength: 6 }),
  ),
  { maxLength: 30 },
).map((parts) => parts.join(""));
