// Sends single datagrams to a Unix socket that another program listens on, by the system's own library: Deno can do it only
// with `--unstable-net`, from a socket that is bound to a file, and up to 2.7 to no name without a file.
const FUNCTIONS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // On another thread: it waits while the listener's queue is full.
  sendto: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
    result: "isize",
    nonblocking: true,
  },
} as const;

// Linux's numbers.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;
const MAX_PATH_BYTES = 108;

export interface NotifySocket {
  /** @throws {Error} It could not be handed over. */
  send(text: string): Promise<void>;
}

/**
 * @param path Of the listener's socket, or its name without a file, which begins with "@" (unix(7)). It is looked up with each
 *   datagram.
 * @throws {Error} Not Linux, a path that is too long, or native libraries may not be called (any more: `no_delay.ts`).
 */
export function openNotifySocket(path: string): NotifySocket {
  if (Deno.build.os !== "linux") throw new TypeError(`Cannot send to ${path} on ${Deno.build.os}`);
  const name = new TextEncoder().encode(path.replace(/^@/, "\0"));
  if (name.length === 0 || name.length > MAX_PATH_BYTES) {
    throw new RangeError(`Cannot send to ${path}: the name of a socket has 1 to ${MAX_PATH_BYTES} bytes`);
  }
  const { socket, sendto } = Deno.dlopen("libc.so.6", FUNCTIONS).symbols;
  const descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (descriptor < 0) throw new Error(`Cannot send to ${path}: no socket can be made`);
  // `struct sockaddr_un`: the family in the machine's order (that of x64 and arm64), and the name.
  const address = new Uint8Array([AF_UNIX, 0, ...name]);
  return {
    async send(text) {
      const bytes = new TextEncoder().encode(text);
      const sent = await sendto(
        descriptor,
        bytes,
        BigInt(bytes.length),
        MSG_NOSIGNAL,
        address,
        address.length,
      );
      // Looking at the bytes here keeps them in memory while the other thread reads them.
      if (Number(sent) === bytes.length) return;
      throw new Error(`Cannot send to ${path}: nobody listens, or it may not be reached`);
    },
  };
}
