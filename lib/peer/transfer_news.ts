// What whoever shows a direct chat is told of files.
import type { FileFailure } from "../protocol/peer_messages.ts";

export type Direction = "sending" | "receiving";

export interface TransferNews {
  readonly direction: Direction;
  readonly name: string; // safe name, fit for a terminal
  readonly totalBytes: number;
}

export interface FileOffer extends TransferNews {
  /** What `accept` must be told; unset where no other file can be meant. */
  readonly number?: number;
}

export interface TransferProgress extends TransferNews {
  readonly doneBytes: number;
  readonly resumedBytes: number; // were there before this began
}

export interface TransferFailure extends TransferNews {
  readonly reason: FileFailure | "ended"; // `ended`: the chat, in the middle of it
  readonly isOurs: boolean; // this side says so
  readonly detail?: string;
}

export interface TransferListener {
  /** The other side wants to send; answer with `accept` or `refuse`. */
  onFileOffered(offer: FileOffer): void;
  onFileProgress(progress: TransferProgress): void;
  onFileDone(news: TransferNews & { readonly path?: string }): void; // `path`: where this side has saved it
  onFileFailed(failure: TransferFailure): void;
}
