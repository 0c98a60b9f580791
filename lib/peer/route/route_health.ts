import type { Route } from "../../protocol/peer_messages.ts";

/** How long it holds, in milliseconds: people move, and networks are mended. */
const REMEMBER_MS = 600_000;

/**
 * What a chat has learned of the ways between the two: which carried nothing, and which carry nothing large.
 * Some networks drop large packets and do not say so (RFC 2923 §2.1): a handshake and short lines pass, a file never does.
 */
export class RouteHealth {
  readonly #avoidedUntil = new Map<Route, number>(); // until when each holds, on the clock of performance.now()
  readonly #narrowUntil = new Map<Route, number>();

  /** Leaves a way alone. The relay is what remains when no other way is left, so it never is. */
  avoid(route: Route): void {
    if (route !== "relayed") this.#avoidedUntil.set(route, performance.now() + REMEMBER_MS);
  }

  isAvoided(route: Route): boolean {
    return holds(this.#avoidedUntil, route);
  }

  narrow(route: Route): void {
    this.#narrowUntil.set(route, performance.now() + REMEMBER_MS);
  }

  isNarrow(route: Route): boolean {
    return holds(this.#narrowUntil, route);
  }
}

function holds(until: ReadonlyMap<Route, number>, route: Route): boolean {
  return (until.get(route) ?? 0) > performance.now();
}
