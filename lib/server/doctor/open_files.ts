// How many files a process may have open, asked of the system's own library: the soft limit, which a process may raise up to the
// hard one. Shells and service managers give a soft limit of 1,024 where nobody has changed it.

const RLIMIT_NOFILE = 7; // Linux's number, on x64 and arm64
const FUNCTIONS = {
  prlimit: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
} as const;

/** Files that a server has open beside one for each connection: callers in their handshake at two entrances, database, log. */
export const OTHER_FILES = 600;

/**
 * How many files a process of the same user may have open; of null, a server that would be started here, which allows itself all
 * that it may. Null where the system is not Linux, does not say, or there is no such process.
 */
export function openFilesLimit(pid: number | null): number | null {
  return withLimits(pid ?? 0, ([soft, hard]) => Number(pid === null ? hard : soft));
}

/** Allows this process so many open files, or as many as the system lets it. */
export function allowOpenFiles(wanted: number): void {
  withLimits(0, ([soft, hard], change) => {
    const most = hard < BigInt(wanted) ? hard : BigInt(wanted);
    if (soft < most) change(most, hard);
  });
}

type Change = (soft: bigint, hard: bigint) => void;

function withLimits<T>(
  pid: number,
  use: (limits: readonly [soft: bigint, hard: bigint], change: Change) => T,
): T | null {
  if (Deno.build.os !== "linux") return null;
  try {
    const library = Deno.dlopen("libc.so.6", FUNCTIONS);
    try {
      const { prlimit } = library.symbols;
      const limits = new BigUint64Array(2);
      const bytes = () => new Uint8Array(limits.buffer);
      if (prlimit(pid, RLIMIT_NOFILE, null, bytes()) !== 0) return null;
      const change: Change = (soft, hard) => {
        limits.set([soft, hard]);
        prlimit(pid, RLIMIT_NOFILE, bytes(), null);
      };
      return use([limits[0]!, limits[1]!], change);
    } finally {
      library.close();
    }
  } catch {
    return null;
  }
}
