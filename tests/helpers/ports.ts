/**
 * Ports for programs that must be told one; whatever can listen on port 0 should do that instead.
 * @module
 */

/** Below those that systems give to whoever asks for any: a port from there was another test's server a moment later. */
const FIRST = 20_000;
const COUNT = 12_000;

/** A TCP port of the loopback address that nothing listened on a moment ago, and that nobody gets who listens on port 0. */
export function freePort(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Holds a port on every address for as long as the returned listener lives: `using taken = occupiedPort();` */
export function occupiedPort(): Disposable & { readonly port: number } {
  const held = new DisposableStack();
  const [all, ...others] = Deno.build.os !== "windows"
    ? [hasIpv6() ? "::" : "0.0.0.0"]
    // There all addresses of one family are none of the other, and a single one may still be free.
    : ["0.0.0.0", "::", "127.0.0.1", "::1"];
  const { port } = held.use(Deno.listen({ hostname: all!, port: 0 })).addr;
  for (const hostname of others) {
    try {
      held.use(Deno.listen({ hostname, port }));
    } catch {
      // It is not free any more, then.
    }
  }
  return { port, [Symbol.dispose]: () => held.dispose() };
}

/** Whether this machine can listen on IPv6 loopback. */
export function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}
