import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { placeFile } from "./file_names.ts";

const READ_BYTES = 256 * 1024;

export interface OfferedFile {
  readonly name: string; // from `safeFileName`
  readonly totalBytes: number;
  readonly sha256: string; // of the whole file, base64url
}

interface Part {
  readonly folder: string;
  readonly path: string;
  readonly file: Deno.FsFile;
  readonly hash: Hash;
}

/** A part file in the download folder, hashed as it grows, named when it is whole. */
export class IncomingFile {
  readonly resumedBytes: number; // bytes that an earlier try had brought
  readonly #offered: OfferedFile;
  readonly #part: Part;
  #doneBytes: number;
  #isClosed = false;

  private constructor(offered: OfferedFile, part: Part, resumedBytes: number) {
    this.#offered = offered;
    this.#part = part;
    this.#doneBytes = resumedBytes;
    this.resumedBytes = resumedBytes;
  }

  /** Makes the part file, or goes on with the one that an earlier try of the same file has left. */
  static async open(folder: string, offered: OfferedFile): Promise<IncomingFile> {
    await Deno.mkdir(folder, { recursive: true });
    const path = join(folder, `.${offered.name}.${offered.sha256.slice(0, 12)}.part`);
    await refuseLinks(path);
    const file = await Deno.open(path, { read: true, write: true, create: true });
    try {
      // Two who write to one part would each hash their own bytes, and keep the other's. The lock falls when the file is closed.
      const isOurs = await file.tryLock(true).catch(() => true); // a file system without locks
      if (!isOurs) throw new Error("the same file is on its way in another chat");
      const hash = createHash("sha256");
      const bytes = await feed(hash, file);
      if (bytes <= offered.totalBytes) return new IncomingFile(offered, { folder, path, file, hash }, bytes);
      await file.truncate(0);
      await file.seek(0, Deno.SeekMode.Start);
      return new IncomingFile(offered, { folder, path, file, hash: createHash("sha256") }, 0);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Whether all bytes are there; they may still be the wrong ones. */
  get isComplete(): boolean {
    return this.#doneBytes === this.#offered.totalBytes;
  }

  /** Adds the next bytes; throws what the file system says, such as that the disk is full. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length;) {
      written += await this.#part.file.write(bytes.subarray(written));
    }
    this.#part.hash.update(bytes);
    this.#doneBytes += bytes.length;
  }

  async finish(): Promise<string | null> {
    if (this.#part.hash.digest("base64url") !== this.#offered.sha256) {
      await this.discard();
      return null;
    }
    await this.#part.file.sync();
    this.#close();
    return await placeFile(this.#part.path, this.#part.folder, this.#offered.name);
  }

  async keep(): Promise<void> {
    if (this.#isClosed) return;
    this.#close();
    if (this.#doneBytes === 0) await Deno.remove(this.#part.path).catch(() => {});
  }

  async discard(): Promise<void> {
    this.#close();
    await Deno.remove(this.#part.path).catch(() => {}); // gone already, or the folder is
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#part.file.close();
  }
}

export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
}

/** Reads a file from its start to its end; the SHA-256 is in base64url. */
export async function hashFile(file: Deno.FsFile): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash("sha256");
  const bytes = await feed(hash, file);
  return { sha256: hash.digest("base64url"), bytes };
}

async function feed(hash: Hash, file: Deno.FsFile): Promise<number> {
  const buffer = new Uint8Array(READ_BYTES);
  let bytes = 0;
  for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
    hash.update(buffer.subarray(0, count));
    bytes += count;
  }
  return bytes;
}

/** A link in place of the part file could lead out of the folder. */
async function refuseLinks(path: string): Promise<void> {
  try {
    if (!(await Deno.lstat(path)).isFile) throw new Error(`${path} is in the way`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
