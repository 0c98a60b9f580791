/**
 * Waiting that can be called off.
 * @module
 */

/** Waits. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * A signal that is aborted with another one, or on its own, or when the time is up.
 *
 * @param signal The other one.
 * @param timeoutMs Milliseconds; none by default.
 * @returns The signal, and what ends it; call that when the work is done, so that no timer is left.
 */
export function limit(
  signal: AbortSignal,
  timeoutMs?: number,
): { readonly signal: AbortSignal; readonly end: (reason?: unknown) => void } {
  const controller = new AbortController();
  const onAbort = () => end(signal.reason);
  const timer = timeoutMs === undefined
    ? undefined
    : setTimeout(() => end(new DOMException("The time is up", "TimeoutError")), timeoutMs);
  const end = (reason?: unknown) => {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    if (!controller.signal.aborted) controller.abort(reason);
  };
  if (signal.aborted) end(signal.reason);
  else signal.addEventListener("abort", onAbort, { once: true });
  return { signal: controller.signal, end };
}
