import { basename } from "node:path";
import { systemReasonOf, UsageError } from "../../errors.ts";
import { FILE_CHUNK_BYTES } from "../../protocol/peer_messages.ts";
import { safeFileName } from "./file_names.ts";
import { hashFile } from "./incoming_file.ts";

/** A file of this machine that is offered, and how much of it is on its way. */
export class OutgoingFile {
  readonly name: string; // safe name
  readonly totalBytes: number;
  offset = 0; // where the other side wanted it to begin
  givenBytes = 0; // up to here it was given away piece by piece
  confirmedBytes = 0; // so many of them the other side has
  readonly #source: Deno.FsFile;
  #isClosed = false;

  private constructor(path: string, source: Deno.FsFile, totalBytes: number) {
    this.name = safeFileName(basename(path));
    this.totalBytes = totalBytes;
    this.#source = source;
  }

  /** Throws a `UsageError` with the reason when it cannot be sent. */
  static async open(path: string): Promise<OutgoingFile> {
    try {
      // Looked at first: opening a pipe would wait for its other end.
      if (!(await Deno.stat(path)).isFile) throw new UsageError("it is not a file");
      const source = await Deno.open(path);
      return new OutgoingFile(path, source, (await source.stat()).size);
    } catch (error) {
      const why = error instanceof Deno.errors.NotFound
        ? "there is no such file"
        : error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable
        ? "you may not read it"
        : systemReasonOf(error);
      throw new UsageError(`Cannot send ${path}: ${why}`, { cause: error });
    }
  }

  /** Whether all of it was given away. */
  get isGiven(): boolean {
    return this.givenBytes === this.totalBytes;
  }

  /** Whether the other side has all of it. */
  get isConfirmed(): boolean {
    return this.confirmedBytes === this.totalBytes;
  }

  /** SHA-256 in base64url. */
  async hash(): Promise<string> {
    const { sha256, bytes } = await hashFile(this.#source);
    if (bytes !== this.totalBytes) throw new Error("somebody is writing to it; send it once it is complete");
    return sha256;
  }

  async beginAt(offset: number): Promise<void> {
    this.offset = this.givenBytes = this.confirmedBytes = offset;
    await this.#source.seek(offset, Deno.SeekMode.Start);
  }

  /** The next piece; only before {@linkcode isGiven}. */
  async next(): Promise<Uint8Array> {
    const piece = new Uint8Array(Math.min(FILE_CHUNK_BYTES, this.totalBytes - this.givenBytes));
    const count = await this.#source.read(piece);
    if (count === null) throw new Error("the file has become shorter");
    this.givenBytes += count;
    return piece.subarray(0, count);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#source.close();
  }
}
