// What a connection needs of a socket.
/** `Deno.TcpConn` and `Deno.TlsConn` have it. */
export interface ByteStream {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>; // writes some of the bytes, and says how many
  closeWrite(): Promise<void>;
  close(): void;
  readonly remoteAddr?: Deno.Addr; // unset for streams that are not sockets
  readonly localAddr?: Deno.Addr;
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
