// The entrance in hard times: TLS callers whose sockets can be closed in the middle of their handshake.
// `Deno.listenTls` keeps such a socket until its caller speaks or leaves (`handshakes.ts`). Here callers come to a plain
// socket of `node:net`, which can always be closed; once one has said something, its bytes are copied to a TLS listener on
// loopback. A connection costs three sockets that way, 100 KiB when idle in place of 29, and 0.03 ms more for a round trip,
// so this entrance is open only while many callers get stuck. It has room for a number of unfinished handshakes; whoever
// comes then takes the place of another. (`node:tls` needs no copying and a third less memory, but in Deno 2.8 it loses the
// end of a stream whose reader is slow.)
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { messageOf } from "../../errors.ts";
import { addressGroup, normalizeAddress } from "../../addresses.ts";
import { acceptFrom, type ByteStream, closeQuietly, withParts } from "../byte_stream.ts";
import type { Place, RefusedCaller, Slots } from "../slots.ts";

export interface GuardedCaller {
  readonly socket: ByteStream; // its other end is on loopback
  readonly remoteAddr: Deno.NetAddr;
  readonly alpnProtocol: string | null;
  readonly place: Place;
}

export interface GuardedOptions {
  readonly hosts: readonly string[]; // a socket for each
  readonly port: number;
  readonly listenInside: () => Deno.Listener<Deno.Conn>;
  readonly maxUnfinished: number; // unfinished handshakes that there is room for
  readonly handshakeTimeoutMs: number;
  readonly slots: Slots; // places of all callers, those of the listener's other entrance included
  readonly onCaller: (caller: GuardedCaller) => void;
  readonly onRefused: (refused: RefusedCaller) => void;
}

interface Guest {
  readonly remoteAddr: Deno.NetAddr;
  readonly group: string;
  readonly socket: Socket;
  readonly place: Place;
  isHere: boolean;
  timer?: ReturnType<typeof setTimeout>;
}

/**
 * How long nobody may have come before this listens anew: once `node:net` in Deno 2.8 had no file left for a caller, it takes nobody
 * more, and says nothing of it.
 */
const LISTEN_AGAIN_MS = 1_000;

/** Where no more files may be opened, as many callers give way at once, and their files are back after so long, in milliseconds. */
const ROOM_FOR = 4;
const FILES_BACK_MS = 50;

/** What was written before a hang-up may take so long to leave, in milliseconds. */
const FLUSH_MS = 2_000;

/** Listens with `node:net`, and speaks TLS inside. */
export class GuardedEntrance {
  readonly #options: GuardedOptions;
  readonly #servers: readonly Server[];
  readonly #inside: Deno.Listener<Deno.Conn>;
  readonly #guestsByGroup = new Map<string, Set<Guest>>(); // each set in the order of arrival, none empty
  #guestCount = 0;
  #lastPairing: Promise<unknown> = Promise.resolve();
  #troubledAt = performance.now();
  #hasCaller = false; // since it was looked at last
  #looking: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: GuardedOptions) {
    this.#options = options;
    this.#inside = options.listenInside();
    // As with Deno's own sockets, a caller that has ended its half still gets its answers.
    const settings = { allowHalfOpen: true, noDelay: true };
    this.#servers = options.hosts.map(() => createServer(settings, (socket) => this.#admit(socket)));
  }

  /** Starts to listen; throws what the system says when a port cannot be had. */
  static async open(options: GuardedOptions): Promise<GuardedEntrance> {
    const entrance = new GuardedEntrance(options);
    try {
      for (const [index, server] of entrance.#servers.entries()) {
        server.listen(options.port, options.hosts[index]);
        await once(server, "listening");
        server.on("error", (error) => {
          options.onRefused({ address: "", reason: "accept_failed", message: messageOf(error) });
        });
      }
    } catch (error) {
      entrance.close();
      throw error;
    }
    entrance.#looking = setTimeout(() => entrance.#look(), LISTEN_AGAIN_MS);
    return entrance;
  }

  /** When a caller was last sent away or put out, on the clock of `performance.now()`; at first, when this was opened. */
  get troubledAt(): number {
    return this.#troubledAt;
  }

  /** Listens no more, and puts out who is in its handshake; connections go on. */
  close(): void {
    clearTimeout(this.#looking);
    for (const server of this.#servers) server.close();
    closeQuietly(this.#inside);
    for (const guests of [...this.#guestsByGroup.values()]) {
      for (const guest of [...guests]) this.#putOut(guest, "put_out", "this entrance was closed");
    }
  }

  #look(): void {
    const isQuiet = !this.#hasCaller;
    this.#hasCaller = false;
    let nextMs = LISTEN_AGAIN_MS;
    if (isQuiet && this.#hasFiles()) this.#listenAgain();
    else if (isQuiet) nextMs = FILES_BACK_MS;
    this.#looking = setTimeout(() => this.#look(), nextMs);
  }

  /** Whether a caller could be taken; makes room for some where none could. */
  #hasFiles(): boolean {
    try {
      Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(); // it needs a file, as a caller does
      return true;
    } catch (error) {
      const { slots } = this.#options;
      if (!slots.makeRoomAfter(error)) return true; // nothing that a caller's own socket would need is missing
      for (let more = 1; more < ROOM_FOR; more++) slots.makeRoom();
      return false;
    }
  }

  #listenAgain(): void {
    const { hosts, port } = this.#options;
    for (const [index, server] of this.#servers.entries()) {
      server.close();
      server.listen(port, hosts[index]);
    }
  }

  #admit(socket: Socket): void {
    this.#hasCaller = true;
    const { slots, handshakeTimeoutMs, maxUnfinished } = this.#options;
    const address = normalizeAddress(socket.remoteAddress ?? "");
    const reason = this.#guestCount >= maxUnfinished ? "too_many" : slots.refusal(address)?.reason;
    if (reason === "too_many") this.#makeRoom(this.#largestGroup());
    else if (reason !== undefined) this.#makeRoom(this.#guestsByGroup.get(addressGroup(address)));
    socket.on("error", () => {}); // "close" follows
    const refusal = slots.refusal(address);
    if (refusal) {
      socket.destroy();
      return this.#refuse({ address, ...refusal });
    }
    const guest: Guest = {
      remoteAddr: { transport: "tcp", hostname: address, port: socket.remotePort ?? 0 },
      group: addressGroup(address),
      socket,
      place: slots.take(address),
      isHere: true,
    };
    const late = `no TLS handshake within ${handshakeTimeoutMs} ms`;
    guest.timer = setTimeout(() => this.#putOut(guest, "handshake_timeout", late), handshakeTimeoutMs);
    this.#remember(guest);
    socket.once("close", () => this.#putOut(guest, "handshake_failed", "the caller hung up"));
    socket.once("readable", () => this.#bringIn(guest));
  }

  /** Lets a caller that has said something shake hands. */
  async #bringIn(guest: Guest): Promise<void> {
    const { socket, remoteAddr, place } = guest;
    let tls: Deno.TlsConn | undefined;
    try {
      const pair = await this.#pair();
      tls = pair.tls;
      join(socket, pair.near);
      const { alpnProtocol } = await tls.handshake();
      if (!guest.isHere) return closeQuietly(tls);
      this.#forget(guest);
      this.#options.onCaller({ socket: hangingUp(tls, socket), remoteAddr, alpnProtocol, place });
    } catch (error) {
      if (tls) closeQuietly(tls);
      // No file was left for the pair: `node:net` in Deno 2.8 then calls the connection refused.
      else if (guest.isHere) this.#options.slots.makeRoom();
      this.#putOut(guest, "handshake_failed", messageOf(error));
    }
  }

  /** Both ends of a new connection on loopback. One at a time, so that it is clear which belong together. */
  #pair(): Promise<{ near: Socket; tls: Deno.TlsConn }> {
    const pairing = this.#lastPairing.then(async () => {
      const { hostname, port } = this.#inside.addr as Deno.NetAddr;
      const near = connect({ host: hostname, port, allowHalfOpen: true, noDelay: true });
      near.on("error", () => {}); // "close" follows
      try {
        await once(near, "connect");
        return { near, tls: await acceptFrom(this.#inside, near.localPort!) as Deno.TlsConn };
      } catch (error) {
        near.destroy(); // nobody else has it
        throw error;
      }
    });
    this.#lastPairing = pairing.catch(() => {});
    return pairing;
  }

  #putOut(guest: Guest, reason: RefusedCaller["reason"], message: string): void {
    if (!guest.isHere) return;
    this.#forget(guest);
    guest.socket.destroy();
    guest.place.release();
    this.#refuse({ address: guest.remoteAddr.hostname, reason, message });
  }

  #refuse(refused: RefusedCaller): void {
    // A caller that speaks something else does no harm: it is gone at once.
    if (refused.reason !== "handshake_failed") this.#troubledAt = performance.now();
    this.#options.onRefused(refused);
  }

  #remember(guest: Guest): void {
    const guests = this.#guestsByGroup.get(guest.group);
    if (guests) guests.add(guest);
    else this.#guestsByGroup.set(guest.group, new Set([guest]));
    this.#guestCount += 1;
  }

  #forget(guest: Guest): void {
    guest.isHere = false;
    clearTimeout(guest.timer);
    const guests = this.#guestsByGroup.get(guest.group);
    guests?.delete(guest);
    if (guests?.size === 0) this.#guestsByGroup.delete(guest.group);
    this.#guestCount -= 1;
  }

  /** The group with the most guests; of equals, the one that has been here longest. */
  #largestGroup(): Set<Guest> | undefined {
    let largest: Set<Guest> | undefined;
    for (const guests of this.#guestsByGroup.values()) {
      if (guests.size > (largest?.size ?? 0)) largest = guests;
    }
    return largest;
  }

  /** Puts out whoever of these has been here longest: an honest caller's handshake takes two round trips. */
  #makeRoom(guests: Set<Guest> | undefined): void {
    const [oldest] = guests ?? [];
    if (oldest) this.#putOut(oldest, "put_out", "no TLS handshake yet, and others waited for its place");
  }
}

function join(a: Socket, b: Socket): void {
  for (const [from, to] of [[a, b], [b, a]] as const) {
    from.once("close", () => to.destroy());
    from.pipe(to);
    if (from.destroyed) to.destroy();
  }
}

/**
 * The TLS end of a connection on loopback whose `close()` hangs up on the caller too: all that its other end sees is the end of
 * a stream, which a caller that stays need not answer, so that two sockets of three stayed as well.
 */
function hangingUp(tls: Deno.TlsConn, caller: Socket): ByteStream {
  return withParts(tls, {
    close() {
      tls.close();
      if (caller.destroyed) return;
      const timer = setTimeout(() => caller.destroy(), FLUSH_MS);
      caller.once("close", () => clearTimeout(timer));
      if (caller.writableFinished) caller.destroy();
      else caller.once("finish", () => caller.destroy());
    },
  });
}
