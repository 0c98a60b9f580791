import { ChatError, messageOf, UsageError } from "../errors.ts";
import { FILE_CHUNK_BYTES, type FileFailure, type PeerMessage } from "../protocol/peer_messages.ts";
import { IncomingFile, isDiskFull } from "./files/incoming_file.ts";
import { OutgoingFile } from "./files/outgoing_file.ts";
import { safeFileName } from "./files/file_names.ts";
import type { PeerChannel } from "./channel.ts";
import type { TransferListener, TransferNews } from "./transfer_news.ts";

/** Pieces sent and not answered: enough for good speed, and typed lines do not wait long behind them. */
const CHUNKS_UNDER_WAY = 8;
/** How long an offer must stand before it is shown when the one before it was withdrawn, so that a flood of them shows little. */
const STANDS_MS = 1_000;
/** Offers turned down on the way, of which the other side has not said that it heard it. */
const MAX_UNHEARD_REFUSALS = 16;

interface Outgoing {
  readonly file: string;
  readonly source: OutgoingFile;
  readonly news: TransferNews;
  isAccepted: boolean;
  isSaved: boolean; // the other side says so
  isOver: boolean;
}

const NEW_OUTGOING = { isAccepted: false, isSaved: false, isOver: false };

interface Incoming {
  readonly file: string;
  readonly sha256: string;
  readonly news: TransferNews;
  readonly number: number; // counted in this chat
  isShown: boolean;
  isAccepted: boolean;
  target?: IncomingFile; // set once there is a place for it
}

/**
 * Files in a direct chat: one at a time each way, asked first, checked at the end, resumed after a break.
 * The pieces travel as messages of the channel, so a lost link costs them nothing. When the chat itself ends in the
 * middle, what came stays beside its future place, and the same file offered again goes on from there.
 */
export class FileTransfers {
  sentCount = 0; // files that went out whole
  unsentCount = 0; // offered, and not there when the chat ended
  receivedCount = 0;
  readonly #channel: PeerChannel;
  readonly #listener: TransferListener;
  readonly #downloadFolder: string;
  #outgoing: Outgoing | undefined;
  #incoming: Incoming | undefined;
  #offers = 0; // that came in
  #isReplacing = false; // an offer that was shown has been withdrawn, and the person has answered none since
  #standing: ReturnType<typeof setTimeout> | undefined; // set while an offer must stand before it is shown
  #unheardRefusals = 0;
  #cleaning: Promise<unknown> = Promise.resolve(); // ends when no part file is being removed

  constructor(channel: PeerChannel, listener: TransferListener, downloadFolder: string) {
    this.#channel = channel;
    this.#listener = listener;
    this.#downloadFolder = downloadFolder;
  }

  /** Reads the file whole, and asks; false when it was cancelled before. @throws {UsageError} when it cannot be sent. */
  async offer(path: string): Promise<boolean> {
    const source = await OutgoingFile.open(path);
    const { name, totalBytes } = source;
    if (this.#outgoing || this.#channel.isEnded) {
      source.close();
      const why = this.#outgoing
        ? `${this.#outgoing.news.name} is on its way, /cancel ends that`
        : "the chat is over";
      throw new UsageError(`Cannot send ${path} now: ${why}`);
    }
    const news: TransferNews = { direction: "sending", name, totalBytes };
    const outgoing = { file: crypto.randomUUID(), source, news, ...NEW_OUTGOING };
    this.#outgoing = outgoing;
    try {
      const sha256 = await source.hash();
      if (outgoing.isOver) return false;
      this.#post("file_offer", { file: outgoing.file, name, bytes: totalBytes, sha256 });
      return true;
    } catch (error) {
      if (outgoing.isOver) return false; // it was closed while it was read
      this.#closeOutgoing();
      throw new UsageError(`Cannot send ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** @param number What the offer said, where it said one: the other side may exchange a file while the person answers. */
  async accept(number?: number): Promise<void> {
    const incoming = this.#asked();
    if (!incoming) throw new UsageError("Cannot accept: no file is offered");
    const { name, totalBytes } = incoming.news;
    if (number === undefined ? this.#isReplacing : number !== incoming.number) {
      const which = number === undefined ? "without a number" : `file ${number}`;
      throw new UsageError(
        `Cannot accept ${which}: what is offered now is ${name}, and "/accept ${incoming.number}" takes that`,
      );
    }
    incoming.isAccepted = true;
    this.#isReplacing = false;
    let target: IncomingFile;
    try {
      target = await IncomingFile.open(this.#downloadFolder, { name, totalBytes, sha256: incoming.sha256 });
    } catch (error) {
      this.#fail(incoming, "cannot_write");
      throw new UsageError(`Cannot save ${name} in ${this.#downloadFolder}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    // Taken back, or the chat ended, while the part file was read.
    if (this.#incoming !== incoming) return await target.keep();
    incoming.target = target;
    this.#post("file_accept", { file: incoming.file, offset: target.doneBytes });
    this.#report(incoming.news, target.doneBytes, target.resumedBytes);
    if (target.isComplete) await this.#finishIncoming(incoming, target);
  }

  refuse(): void {
    const incoming = this.#asked();
    if (!incoming) throw new UsageError("Cannot refuse: no file is offered");
    this.#isReplacing = false;
    this.#fail(incoming, "refused");
  }

  cancel(): void {
    const incoming = this.#incoming?.isAccepted ? this.#incoming : undefined;
    if (!this.#outgoing && !incoming) throw new UsageError("Cannot cancel: no file is on its way");
    if (this.#outgoing) this.#fail(this.#outgoing, "cancelled");
    if (incoming) this.#fail(incoming, "cancelled");
  }

  take(message: PeerMessage): void | Promise<void> {
    switch (message.method) {
      case "file_offer":
        return this.#offered(message.content);
      case "file_accept":
        return this.#accepted(message.content);
      case "file_chunk":
        return this.#write(message.content);
      case "file_saved":
        return this.#saved(message.content.file);
      case "file_failed":
        return this.#failed(message.content.file, message.content.reason);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#standing);
    const outgoing = this.#outgoing;
    this.#closeOutgoing();
    const incoming = this.#incoming;
    this.#incoming = undefined;
    if (outgoing) this.unsentCount += 1;
    for (const transfer of [outgoing, incoming?.isAccepted ? incoming : undefined]) {
      if (transfer) this.#listener.onFileFailed({ ...transfer.news, reason: "ended", isOurs: true });
    }
    await incoming?.target?.keep();
    await this.#cleaning;
  }

  #offered({ file, name, bytes, sha256 }: (PeerMessage & { method: "file_offer" })["content"]): void {
    if (this.#incoming) return this.#turnDown(file);
    const news: TransferNews = { direction: "receiving", name: safeFileName(name), totalBytes: bytes };
    const number = ++this.#offers;
    const incoming = this.#incoming = { file, sha256, news, number, isShown: false, isAccepted: false };
    if (this.#isReplacing) this.#standing = setTimeout(() => this.#show(incoming), STANDS_MS);
    else this.#show(incoming);
  }

  #show(incoming: Incoming): void {
    incoming.isShown = true;
    const { news, number } = incoming;
    this.#listener.onFileOffered(this.#isReplacing ? { ...news, number } : news);
  }

  /** The one that the person was asked about and has not answered. */
  #asked(): Incoming | undefined {
    const incoming = this.#incoming;
    return incoming?.isShown && !incoming.isAccepted ? incoming : undefined;
  }

  #turnDown(file: string): void {
    if (this.#unheardRefusals === MAX_UNHEARD_REFUSALS) {
      throw new ChatError("invalid", "the other side offers files and hears no answer");
    }
    this.#unheardRefusals += 1;
    this.#channel.send("file_failed", { file, reason: "busy" })
      .then(() => this.#unheardRefusals -= 1, () => {}); // the chat is over
  }

  #accepted({ file, offset }: { file: string; offset: number }): void {
    const outgoing = this.#outgoing;
    if (outgoing?.file !== file || outgoing.isAccepted) return;
    if (offset > outgoing.news.totalBytes) {
      throw new ChatError("invalid", "the other side asked for more of a file than there is");
    }
    outgoing.isAccepted = true;
    // Not awaited: the channel answers while the file is on its way.
    this.#sendFrom(outgoing, offset).catch((error) =>
      this.#failSending(outgoing, "damaged", messageOf(error))
    );
  }

  async #sendFrom(outgoing: Outgoing, offset: number): Promise<void> {
    const { source, news, file } = outgoing;
    const underWay = new Set<Promise<void>>();
    this.#report(news, offset, offset);
    await source.beginAt(offset);
    while (!source.isGiven && !outgoing.isOver) {
      const piece = await source.next();
      const confirmed = this.#channel.send("file_chunk", { file, data: piece.toBase64() })
        .then(() => {
          source.confirmedBytes += piece.length;
          if (outgoing.isOver) return;
          this.#report(news, source.confirmedBytes, offset);
          this.#finishOutgoing(outgoing);
        }, () => this.#failSending(outgoing, "stuck")); // a piece that was taken back
      underWay.add(confirmed);
      confirmed.finally(() => underWay.delete(confirmed));
      if (underWay.size >= CHUNKS_UNDER_WAY) await Promise.race(underWay);
      if (this.#channel.isEnded) return;
    }
  }

  async #write({ file, data }: { file: string; data: string }): Promise<void> {
    const incoming = this.#incoming;
    // What was under way when this side gave up is dropped.
    if (incoming?.file !== file || !incoming.target) return;
    const { target, news } = incoming;
    const bytes = Uint8Array.fromBase64(data);
    if (bytes.length > FILE_CHUNK_BYTES || target.doneBytes + bytes.length > news.totalBytes) {
      throw new ChatError("invalid", "the other side sent more of a file than it said");
    }
    try {
      await target.write(bytes);
    } catch (error) {
      return this.#failSaving(incoming, error);
    }
    if (this.#incoming !== incoming) return;
    this.#report(news, target.doneBytes, target.resumedBytes);
    if (target.isComplete) await this.#finishIncoming(incoming, target);
  }

  async #finishIncoming(incoming: Incoming, target: IncomingFile): Promise<void> {
    let path: string | null;
    try {
      path = await target.finish();
    } catch (error) {
      return this.#failSaving(incoming, error);
    }
    if (path === null) return this.#fail(incoming, "damaged");
    this.#incoming = undefined;
    this.receivedCount += 1;
    this.#post("file_saved", { file: incoming.file });
    this.#listener.onFileDone({ ...incoming.news, path });
  }

  #saved(file: string): void {
    const outgoing = this.#outgoing;
    if (outgoing?.file !== file) return;
    if (!outgoing.isAccepted || !outgoing.source.isGiven) {
      throw new ChatError("invalid", "the other side said that it has a file that was not sent yet");
    }
    outgoing.isSaved = true;
    this.#finishOutgoing(outgoing);
  }

  /** The word that it is saved can be faster than the answers to the last pieces. */
  #finishOutgoing(outgoing: Outgoing): void {
    const { news, source, isSaved } = outgoing;
    if (!isSaved || !source.isConfirmed) return;
    this.sentCount += 1;
    this.#closeOutgoing();
    this.#listener.onFileDone(news);
  }

  #failed(file: string, reason: FileFailure): void {
    const transfer = [this.#outgoing, this.#incoming].find((one) => one?.file === file);
    if (!transfer) return;
    if ("isShown" in transfer && !transfer.isShown) return this.#drop(transfer);
    if (transfer === this.#asked()) this.#isReplacing = true;
    this.#drop(transfer);
    this.#listener.onFileFailed({ ...transfer.news, reason, isOurs: false });
  }

  #failSending(outgoing: Outgoing, reason: FileFailure, detail?: string): void {
    if (!outgoing.isOver && !this.#channel.isEnded) this.#fail(outgoing, reason, detail);
  }

  #failSaving(incoming: Incoming, error: unknown): void {
    this.#fail(incoming, isDiskFull(error) ? "disk_full" : "cannot_write", messageOf(error));
  }

  #fail(transfer: Outgoing | Incoming, reason: FileFailure, detail?: string): void {
    this.#drop(transfer);
    this.#post("file_failed", { file: transfer.file, reason });
    const news = { ...transfer.news, reason, isOurs: true };
    this.#listener.onFileFailed(detail === undefined ? news : { ...news, detail });
  }

  #drop(transfer: Outgoing | Incoming): void {
    if ("source" in transfer) return this.#closeOutgoing();
    this.#incoming = undefined;
    clearTimeout(this.#standing);
    if (transfer.target) this.#cleaning = Promise.all([this.#cleaning, transfer.target.discard()]);
  }

  #closeOutgoing(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = undefined;
    if (!outgoing || outgoing.isOver) return;
    outgoing.isOver = true;
    outgoing.source.close();
  }

  /** Says something that nobody waits for; when the chat is over, nobody needs it either. */
  #post(...[method, content]: Parameters<PeerChannel["send"]>): void {
    this.#channel.send(method, content).catch(() => {});
  }

  #report(news: TransferNews, doneBytes: number, resumedBytes: number): void {
    this.#listener.onFileProgress({ ...news, doneBytes, resumedBytes });
  }
}
