// What a connection needs of a socket.
import { messageOf } from "../errors.ts";

/** `Deno.TcpConn` and `Deno.TlsConn` have it. */
export interface ByteStream {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>; // writes some of the bytes, and says how many
  closeWrite(): Promise<void>;
  close(): void;
  readonly remoteAddr?: Deno.Addr; // unset for streams that are not sockets
  readonly localAddr?: Deno.Addr;
}

/** A stream that is another one but for some of its parts. */
export function withParts(stream: ByteStream, parts: Partial<ByteStream>): ByteStream {
  return {
    read: (buffer) => stream.read(buffer),
    write: (bytes) => stream.write(bytes),
    closeWrite: () => stream.closeWrite(),
    close: () => stream.close(),
    ...parts,
  };
}

/** Closes at once what may be closed already. */
export function closeQuietly(socket: { close(): void; closeWrite?(): Promise<void> }): void {
  // Deno 2.8's plain TCP sockets stay open while a read waits, whatever close() says (denoland/deno#35292): ending our
  // half lets the other end its own, which ends the read. A TLS socket cancels its reads.
  if (!("handshake" in socket)) socket.closeWrite?.().catch(() => {});
  try {
    socket.close();
  } catch {
    // Closed already.
  }
}

export async function writeAll(stream: Pick<ByteStream, "write">, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await stream.write(bytes.subarray(sent));
}

/** The connection that comes from this port of this machine: somebody else here may have been faster at the listener. */
export async function acceptFrom<C extends Deno.Conn>(listener: Deno.Listener<C>, port: number): Promise<C> {
  for (;;) {
    const accepted = await listener.accept();
    if ((accepted.remoteAddr as Deno.NetAddr).port === port) return accepted;
    closeQuietly(accepted);
  }
}

/** How TLS says that this end cannot read what the other one wrote, or the other way round. */
const SPOILT =
  /cannot decrypt|corrupt message|alert: (?:BadRecordMac|DecodeError|DecryptError|UnexpectedMessage)/;

/** What a failed read or write means, without the runtime's error numbers and links. */
export function describeLoss(error: unknown): string {
  if (error instanceof Deno.errors.UnexpectedEof) {
    return "the other end was gone without closing the connection";
  }
  if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
    return "the connection was reset";
  }
  if (error instanceof Deno.errors.TimedOut) return "the network stopped answering";
  if (error instanceof Deno.errors.InvalidData && SPOILT.test(error.message)) {
    return "what was sent was changed on the way";
  }
  return messageOf(error);
}
