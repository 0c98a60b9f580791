/**
 * Waiting for what can only be asked for again and again.
 * @module
 */

/** Rest between two questions, in milliseconds. */
const ASK_EVERY_MS = 50;

/**
 * Asks until the answer is yes.
 *
 * @param what What is waited for, for the failure's message.
 * @param ask The question.
 * @param timeoutMs When the test fails; 20 s by default.
 * @returns Milliseconds that it took.
 */
export async function waitUntil(
  what: string,
  ask: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<number> {
  const startedAt = performance.now();
  while (!await ask()) {
    if (performance.now() - startedAt > timeoutMs) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
  return performance.now() - startedAt;
}
