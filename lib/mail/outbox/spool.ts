// The spool: finished messages on disk, one file each, waiting for a server to take them.
// A message is written whole, flushed to disk and only then given its name, so a file with that name is complete; the
// name is on disk too before anybody hears of it. Whoever sends one holds the operating system's lock on its file, which
// falls with the process, so a crash in the middle of a sending shows itself. A lock can only be looked for by taking it:
// whoever does either holds the folder's own lock, so that nobody finds a message busy because somebody else has looked.
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { renameAndSync, syncFolder } from "../../sync_folder.ts";

const SUFFIX = ".eml";
const PARTIAL_SUFFIX = ".part";
const LOCK_FILE = "lock";
const STALE_PARTIAL_MS = 60 * 60 * 1000; // milliseconds; a partial file this old was left by a crash

/** A message held for sending: nobody else can send it meanwhile. Dispose to let it go. */
export interface HeldMessage extends Disposable {
  readonly sizeBytes: number;
  open(): Readable; // reads it from its start; one reader at a time
}

export class MailSpool {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async write(id: string, content: Readable): Promise<number> {
    await this.#makeFolder();
    const partial = this.#path(id) + PARTIAL_SUFFIX;
    try {
      const sizeBytes = await writeAll(partial, content);
      await renameAndSync(partial, this.#path(id));
      return sizeBytes;
    } catch (error) {
      await Deno.remove(partial).catch(() => {});
      throw error;
    }
  }

  /** Takes a message for sending; `"busy"` when another process has it, `"missing"` when it has no file. */
  async hold(id: string): Promise<HeldMessage | "busy" | "missing"> {
    using _folder = await this.#lockFolder();
    return await this.#take(id);
  }

  /**
   * Runs `look` while nobody is sending a message, nor begins to; `"busy"` when some process is sending it. To be
   * quick, as everything in the folder waits for it.
   */
  async lookAt<Result>(id: string, look: () => Promise<Result>): Promise<Result | "busy"> {
    using _folder = await this.#lockFolder();
    const held = await this.#take(id);
    if (held === "busy") return held;
    using _message = held === "missing" ? null : held;
    return await look();
  }

  async remove(id: string): Promise<void> {
    await ifThere(Deno.remove(this.#path(id)), undefined);
  }

  /**
   * Removes what no entry speaks of any more: a crash can leave a message whose entry was never, or is no longer, kept.
   * @param now Epoch milliseconds; files younger than an hour stay, as their entry may be being written.
   */
  async sweep(knownIds: ReadonlySet<string>, now: number = Date.now()): Promise<void> {
    for (const { name } of await ifThere(Array.fromAsync(Deno.readDir(this.#folder)), [])) {
      const id = name.replace(/\.eml(?:\.part)?$/, "");
      if (id === name || (knownIds.has(id) && !name.endsWith(PARTIAL_SUFFIX))) continue;
      const info = await Deno.stat(join(this.#folder, name)).catch(() => null);
      if (info === null || now - (info.mtime?.getTime() ?? 0) < STALE_PARTIAL_MS) continue;
      await Deno.remove(join(this.#folder, name)).catch(() => {});
    }
  }

  async #makeFolder(): Promise<void> {
    try {
      await Deno.mkdir(this.#folder, { mode: 0o700 });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return;
      throw error;
    }
    await syncFolder(dirname(this.#folder));
  }

  /** Waits for the folder's lock, which nobody holds for long; `null` where there is no folder yet. */
  async #lockFolder(): Promise<Disposable | null> {
    const file = await openIfThere(join(this.#folder, LOCK_FILE), { create: true, mode: 0o600 });
    await file?.lock(true);
    return file;
  }

  async #take(id: string): Promise<HeldMessage | "busy" | "missing"> {
    const file = await openIfThere(this.#path(id));
    if (file === null) return "missing";
    if (!await file.tryLock(true)) {
      file.close();
      return "busy";
    }
    const { size } = await file.stat();
    // Read through the handle that holds the lock: Windows keeps all other handles out.
    return {
      sizeBytes: size,
      open: () => Readable.from(readFromStart(file)),
      [Symbol.dispose]: () => file[Symbol.dispose](), // more than once is allowed
    };
  }

  #path(id: string): string {
    if (!/^[A-Za-z0-9-]+$/.test(id)) throw new TypeError(`not a message name: ${id}`);
    return join(this.#folder, id + SUFFIX);
  }
}

async function writeAll(path: string, content: Readable): Promise<number> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true, mode: 0o600 });
  let sizeBytes = 0;
  for await (const chunk of content as AsyncIterable<Uint8Array>) {
    for (let offset = 0; offset < chunk.length;) offset += await file.write(chunk.subarray(offset));
    sizeBytes += chunk.length;
  }
  await file.sync();
  return sizeBytes;
}

async function openIfThere(path: string, options: Deno.OpenOptions = {}): Promise<Deno.FsFile | null> {
  return await ifThere(Deno.open(path, { read: true, write: true, ...options }), null);
}

/** The result of a file operation; `otherwise` when there is no such file or folder. */
async function ifThere<Result, Otherwise>(operation: Promise<Result>, otherwise: Otherwise) {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return otherwise;
    throw error;
  }
}

async function* readFromStart(file: Deno.FsFile): AsyncGenerator<Uint8Array> {
  await file.seek(0, Deno.SeekMode.Start);
  while (true) {
    const buffer = new Uint8Array(64 * 1024);
    const count = await file.read(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}
