// A Unix socket for other programs of the same user on this machine: each caller sends one line, gets one, and is hung up on.
// Over `node:net`, since a Unix socket of Deno 2.8 stays open while a read waits, whatever close() says.
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { relative } from "node:path";
import { ConnectionError, messageOf } from "../errors.ts";
import { Limit, sleep } from "../waiting.ts";

export interface LineServerOptions {
  readonly path: string; // whatever lies there is replaced
  /** Answers a line with one; both come without their line ends. What it throws is the caller's loss: it is hung up on. */
  readonly answer: (line: string) => Promise<string>;
  readonly maxCallers?: number; // at once; who comes on top is hung up on
  readonly timeoutMs?: number; // of a caller, from its first byte to its last
}

/** Longest path of a socket in bytes: `sun_path` without its last zero (unix(7); 104 with it on macOS and the BSDs). */
const MAX_PATH_BYTES = Deno.build.os === "linux" ? 107 : 103;
const MAX_LINE_BYTES = 4 * 1024;
const MAX_REPLY_BYTES = 1024 * 1024;
const MAX_CALLERS = 16;
const TIMEOUT_MS = 5_000;
const LOOK_EVERY_MS = 10_000; // whether callers are still taken
const HEARD_WITHIN_MS = 1_000;
const LF = 0x0a;

/** The path as a socket may have it: as it is, or from the folder that this process is in; null when both are too long. */
export function usableSocketPath(path: string): string | null {
  const fits = (text: string) => new TextEncoder().encode(text).length <= MAX_PATH_BYTES;
  return [path, relative(Deno.cwd(), path)].find(fits) ?? null;
}

/** Serves until what this returns is disposed of, which removes the socket. Only the user of this process can call it. */
export async function serveLines(options: LineServerOptions): Promise<AsyncDisposable> {
  const { path, maxCallers = MAX_CALLERS } = options;
  const callers = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    if (callers.size >= maxCallers) return socket.destroy();
    callers.add(socket);
    socket.on("close", () => callers.delete(socket));
    serveCaller(socket, options);
  });
  const inode = await listen(server, path);
  server.on("error", () => {}); // a caller that cannot be accepted
  const stop = new AbortController();
  const looking = keepListening(server, { path, inode, signal: stop.signal });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await looking;
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of callers) socket.destroy();
      await closed;
    },
  };
}

/** @returns The inode of the socket. */
async function listen(server: Server, path: string): Promise<number | null> {
  await Deno.remove(path).catch(() => {}); // left behind by a process that was killed
  server.listen(path);
  await once(server, "listening");
  // Before this only the usual umask keeps others out: to connect takes the right to write.
  await Deno.chmod(path, 0o600);
  return await inodeOf(path);
}

/** Once `node:net` in Deno 2.8 had no file left for a caller, it takes nobody more, and says nothing of it: then it listens anew. */
async function keepListening(
  server: Server,
  { path, inode, signal }: {
    readonly path: string;
    readonly inode: number | null;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (let own = inode; !signal.aborted;) {
    await sleep(LOOK_EVERY_MS, signal).catch(() => {});
    const there = await inodeOf(path);
    // The folder may have been moved away, and what lies there be another server's.
    if (signal.aborted || (there !== null && there !== own) || await isHeard(server, path)) continue;
    server.close();
    own = await listen(server, path).catch(() => null); // tried again
  }
}

async function inodeOf(path: string): Promise<number | null> {
  return await Deno.lstat(path).then(({ ino }) => ino, () => null);
}

async function isHeard(server: Server, path: string): Promise<boolean> {
  using limit = new Limit(HEARD_WITHIN_MS);
  const socket = createConnection(path);
  socket.on("error", () => limit.abort());
  try {
    return await once(server, "connection", { signal: limit.signal }).then(() => true, () => false);
  } finally {
    socket.destroy();
  }
}

function serveCaller(socket: Socket, { answer, timeoutMs = TIMEOUT_MS }: LineServerOptions): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.on("close", () => clearTimeout(timer));
  const hangUp = () => socket.destroy();
  readLine(socket, MAX_LINE_BYTES).then(answer).then((reply) => socket.end(`${reply}\n`, hangUp)).catch(
    hangUp,
  );
}

/** Sends a line and resolves with the one that comes back. @throws {ConnectionError} Nobody answers there. */
export async function askLine(path: string, line: string, timeoutMs = TIMEOUT_MS): Promise<string> {
  const socket = createConnection(path);
  const timer = setTimeout(() => socket.destroy(new Error("no answer in time")), timeoutMs);
  socket.write(`${line}\n`);
  try {
    return await readLine(socket, MAX_REPLY_BYTES);
  } catch (cause) {
    throw new ConnectionError(`Cannot get an answer at ${path}: ${describe(cause)}`, { cause });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function describe(error: unknown): string {
  const { code } = error as { code?: string };
  if (code === "ENOENT" || code === "ECONNREFUSED") return "nobody listens there";
  if (code === "EACCES" || code === "EPERM") return "this user may not connect to it";
  return messageOf(error);
}

function readLine(socket: Socket, maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  socket.on("data", (chunk: Uint8Array) => {
    const end = chunk.indexOf(LF);
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    bytes += chunk.length;
    if (bytes > maxBytes) reject(new Error(`a line of more than ${maxBytes} bytes`));
    else if (end >= 0) resolve(Buffer.concat(chunks).toString());
  });
  // Deno 2.8 may tell of the end before it tells of the error that led to it.
  socket.on("close", () => reject(socket.errored ?? new Error("it hung up")));
  socket.on("error", reject);
  return promise;
}
