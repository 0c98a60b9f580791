// Byte streams that are no plain TCP connection of Deno's, brought to where TLS can be spoken.
// Deno speaks TLS as a server only on connections that its own listener accepted, and as a client only on its own TCP
// connections; a punched socket comes from `node:net`, and a relayed stream is itself TLS. So their bytes are copied
// through a connection on loopback.
import type { Socket } from "node:net";
import { giveWay } from "../waiting.ts";
import { acceptFrom, type ByteStream, closeQuietly, withParts, writeAll } from "./byte_stream.ts";

const COPY_BYTES = 64 * 1024;

/** A `node:net` socket as a byte stream; it has the connection's error rules of `Deno.Conn`. */
export class SocketStream implements ByteStream {
  readonly #socket: Socket;
  #failure: Error | undefined;
  #isEnded = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("readable", () => this.#wake?.());
    socket.on("end", () => {
      this.#isEnded = true;
      this.#wake?.();
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      const waiting = this.#socket.readableLength;
      if (waiting > 0) {
        const chunk: Uint8Array | null = this.#socket.read(Math.min(buffer.length, waiting));
        if (chunk) {
          buffer.set(chunk);
          return chunk.length;
        }
      }
      if (this.#isEnded) return null;
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#socket.read(0);
      });
      this.#wake = undefined;
    }
  }

  /** Writes all of the bytes, once the socket takes them. */
  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      // A copy, since the caller may use its buffer again while the socket still holds the bytes.
      this.#socket.write(
        bytes.slice(),
        (error?: Error | null) => error ? reject(error) : resolve(bytes.length),
      );
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }
}

/** A stream whose first bytes, `prefix`, were read already. */
export function prefixed(prefix: Uint8Array, stream: ByteStream): ByteStream {
  let left = prefix.slice();
  return withParts(stream, {
    async read(buffer) {
      if (left.length === 0) return await stream.read(buffer);
      const piece = left.subarray(0, buffer.length);
      buffer.set(piece);
      left = left.subarray(piece.length);
      return piece.length;
    },
  });
}

/** A stream of which a byte is read at once, so that `onHangUp` is called when it ends or breaks before anybody reads. */
export function watched(stream: ByteStream, onHangUp: () => void): ByteStream {
  const ahead = new Uint8Array(1);
  let reading: Promise<number | null> | undefined = stream.read(ahead); // until somebody has its outcome
  const ended = () => reading && onHangUp();
  reading.then((count) => count === null && ended(), ended);
  return withParts(stream, {
    async read(buffer) {
      if (!reading) return await stream.read(buffer);
      const first = reading;
      reading = undefined;
      const count = await first;
      if (count !== null) buffer.set(ahead);
      return count;
    },
  });
}

/** Copies bytes both ways until both directions have ended or one has failed; then both streams are closed. */
export async function joinStreams(
  a: ByteStream,
  b: ByteStream,
  onBytes?: (count: number) => void,
): Promise<void> {
  try {
    await Promise.all([copy(a, b, onBytes), copy(b, a, onBytes)]);
  } catch {
    // One end broke: closing both below tells the other.
  } finally {
    closeQuietly(a);
    closeQuietly(b);
  }
}

/** A TCP connection whose bytes are those of something else. */
export interface Bridge {
  readonly tcp: Deno.TcpConn;
  /** Ends it from behind: to close a TLS connection in its handshake leaves the socket open in Deno 2.8. */
  cut(): void;
}

/** Makes a TCP connection within this machine whose far end is the stream, which is closed when the connection is. */
export async function throughLoopback(stream: ByteStream): Promise<Bridge> {
  const [near, far] = await connectPair();
  joinStreams(far, stream);
  return {
    tcp: near,
    cut: () => {
      closeQuietly(far);
      closeQuietly(stream);
    },
  };
}

async function connectPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = listenOnLoopback();
  const { hostname, port } = listener.addr;
  const near = await Deno.connect({ hostname, port });
  return [near, await acceptFrom(listener, near.localAddr.port)];
}

function listenOnLoopback(): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port: 0 });
  } catch {
    return Deno.listen({ hostname: "::1", port: 0 });
  }
}

async function copy(from: ByteStream, to: ByteStream, onBytes?: (count: number) => void): Promise<void> {
  const buffer = new Uint8Array(COPY_BYTES);
  let turnBytes = 0; // copied since all others had their turn
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    onBytes?.(count);
    await writeAll(to, buffer.subarray(0, count));
    turnBytes += count;
    if (turnBytes < COPY_BYTES) continue;
    turnBytes = 0;
    await giveWay();
  }
  await to.closeWrite();
}
