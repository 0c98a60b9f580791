/**
 * Ports for programs that must be told one; whatever can listen on port 0 should do that instead.
 * @module
 */

/** A TCP port of the loopback address that nothing listened on a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Holds a port on every address for as long as the returned listener lives: `using taken = occupiedPort();` */
export function occupiedPort(): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: hasIpv6() ? "::" : "0.0.0.0", port: 0 });
  return {
    port: listener.addr.port,
    [Symbol.dispose]: () => listener.close(),
  };
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
