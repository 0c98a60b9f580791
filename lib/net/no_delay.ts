// Small frames leave at once, for the callers of a listening socket (TCP_NODELAY).
// Without it a frame behind another one waits until that one's bytes are acknowledged (RFC 896), and the system of a client
// that has nothing to say takes up to 40 ms for that (RFC 9293, section 3.8.6.3). Deno 2.8 cannot set it on connections that
// it accepts with TLS. Accepted sockets inherit it from the listening one, so it is set there, by the system's own library.
// Measured with `deno task bench --only stranger`: 22 ms from send to event without it, 1 ms with it, at 200 a second.
const FUNCTIONS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
} as const;

/** Where each system keeps these functions, and its numbers: SOL_SOCKET, SO_ACCEPTCONN, and the step between descriptors. */
const SYSTEMS: Partial<
  Record<typeof Deno.build.os, { library: string; level: number; accepting: number; step: number }>
> = {
  linux: { library: "libc.so.6", level: 1, accepting: 30, step: 1 },
  darwin: { library: "libSystem.B.dylib", level: 0xffff, accepting: 2, step: 1 },
  windows: { library: "ws2_32.dll", level: 0xffff, accepting: 2, step: 4 },
};

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MAX_DESCRIPTORS = 65_536;
const MAX_ADDRESS_BYTES = 128; // sockaddr_storage
/** Of `sockaddr_in` and `sockaddr_in6`: the port, in network order. */
const PORT_OFFSET = 2;

type Functions = Deno.DynamicLibrary<typeof FUNCTIONS>["symbols"];

let functions: Functions | null | undefined; // null where they cannot be had

/**
 * Sets the option on the socket of this process that listens on a port; of several, on one that has it not yet.
 * @returns Whether it is set; `false` where the system is another one, the process may not call native libraries, or no
 *   socket listens there. Frames arrive all the same then, some of them later.
 */
export function setNoDelay(port: number): boolean {
  const system = SYSTEMS[Deno.build.os];
  if (system === undefined) return false;
  if (functions === undefined) functions = load(system.library);
  if (functions === null) return false;
  const { getsockname, getsockopt, setsockopt } = functions;
  const address = new Uint8Array(MAX_ADDRESS_BYTES);
  const view = new DataView(address.buffer);
  const length = new Uint32Array(1);
  const value = new Int32Array(1);
  let isSet = false;
  for (let index = 0; index < MAX_DESCRIPTORS; index++) {
    const descriptor = index * system.step;
    length[0] = MAX_ADDRESS_BYTES;
    if (getsockname(descriptor, address, length) !== 0 || view.getUint16(PORT_OFFSET) !== port) continue;
    length[0] = value.byteLength;
    if (getsockopt(descriptor, system.level, system.accepting, value, length) !== 0 || value[0] === 0) {
      continue;
    }
    length[0] = value.byteLength;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, value, length) !== 0) continue;
    isSet = value[0] !== 0;
    if (isSet) continue;
    value[0] = 1;
    if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, value, value.byteLength) === 0) return true;
  }
  return isSet;
}

/** Loads the library, and gives up the permission to load any other: a process may do nothing with it but this. */
function load(library: string): Functions | null {
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return null;
  try {
    return Deno.dlopen(library, FUNCTIONS).symbols;
  } catch {
    return null; // a system whose library has another name, such as musl's
  } finally {
    Deno.permissions.revokeSync({ name: "ffi" });
  }
}
