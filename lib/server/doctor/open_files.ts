// How many files a process may have open: its soft limit, asked of the system's own library.

const RLIMIT_NOFILE = 7; // Linux's number, on x64 and arm64
const RLIMIT_BYTES = 16; // two numbers of 64 bits: the soft limit, the hard one

/** Of a process of the same user; 0 is this one. Null where the system is not Linux, does not say, or there is no such process. */
export function openFilesLimit(pid: number): number | null {
  if (Deno.build.os !== "linux") return null;
  try {
    const library = Deno.dlopen("libc.so.6", {
      prlimit: { parameters: ["i32", "i32", "pointer", "buffer"], result: "i32" },
    });
    const limits = new BigUint64Array(RLIMIT_BYTES / BigUint64Array.BYTES_PER_ELEMENT);
    const status = library.symbols.prlimit(pid, RLIMIT_NOFILE, null, new Uint8Array(limits.buffer));
    library.close();
    return status === 0 ? Number(limits[0]) : null;
  } catch {
    return null;
  }
}
