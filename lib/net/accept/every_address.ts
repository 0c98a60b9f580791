// Listening on every address of the machine. On most systems a socket on `::` takes callers of both families; on Windows, and
// where Linux is set so (net.ipv6.bindv6only), it takes those of IPv6 alone, and Deno 2.8 cannot say otherwise. There IPv4 gets
// a socket of its own, on the same port.
import { closeQuietly } from "../byte_stream.ts";

/** What `Deno.Listener` has that counts here. */
export type Entrance = Pick<Deno.Listener<Deno.Conn>, "accept" | "close" | "addr">;

/** Opens a socket that listens; throws what the system says. */
export type Open = (hostname: string, port: number) => Entrance;

/** How often a free port of IPv6 is tried that somebody else may have with IPv4. */
const ATTEMPTS = 10;

/**
 * Listens on every address: `::`, with `0.0.0.0` beside it where that is needed, or `0.0.0.0` where there is no IPv6.
 * @throws What the system says of the port.
 */
export function listenEverywhere(open: Open, port: number): Entrance {
  for (let attempt = 1;; attempt++) {
    const six = openSix(open, port);
    if (six === null) return open("0.0.0.0", port);
    try {
      return new BothFamilies(six, open("0.0.0.0", (six.addr as Deno.NetAddr).port));
    } catch (error) {
      // In use by the other socket, which is as it should be, or by another program, or there is no IPv4.
      if (!(error instanceof Deno.errors.AddrInUse) || takesBoth(open)) return six;
      closeQuietly(six);
      if (port !== 0 || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The addresses that an entrance listens on: each needs a socket. */
export function hostsOf(entrance: Entrance): readonly string[] {
  return entrance instanceof BothFamilies ? ["::", "0.0.0.0"] : [(entrance.addr as Deno.NetAddr).hostname];
}

/** Null where there is no IPv6. */
function openSix(open: Open, port: number): Entrance | null {
  try {
    return open("::", port);
  } catch (error) {
    // Any other failure than a missing IPv6 would only repeat itself, or hide, on IPv4.
    if (error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.PermissionDenied) throw error;
    return null;
  }
}

/** Whether a socket on `::` takes callers of IPv4 too, shown on a port that nobody has. */
function takesBoth(open: Open): boolean {
  const six = open("::", 0);
  try {
    open("0.0.0.0", (six.addr as Deno.NetAddr).port).close();
    return false;
  } catch {
    return true;
  } finally {
    closeQuietly(six);
  }
}

/** Two sockets as one. */
class BothFamilies implements Entrance {
  readonly #accepting = new Map<Entrance, Promise<Deno.Conn>>(); // the next caller of each, once it was asked for
  readonly addr: Deno.Addr;
  #sockets: readonly Entrance[]; // whose turn is next comes first

  constructor(six: Entrance, four: Entrance) {
    this.addr = six.addr;
    this.#sockets = [six, four];
  }

  /** One caller of this at a time. */
  async accept(): Promise<Deno.Conn> {
    const first = await Promise.race(this.#sockets.map((socket) => {
      const next = this.#accepting.get(socket) ?? socket.accept();
      this.#accepting.set(socket, next);
      return next.then(() => socket, () => socket);
    }));
    const accepted = this.#accepting.get(first)!;
    this.#accepting.delete(first);
    this.#sockets = [...this.#sockets.filter((socket) => socket !== first), first];
    return await accepted;
  }

  close(): void {
    for (const socket of this.#sockets) closeQuietly(socket);
  }
}
