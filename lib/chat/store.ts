/**
 * What the rules of chat need from the world: a store to keep things in, and the other end of a session.
 *
 * The server program passes the real ones; `lib/store` fits `ChatStore` by its shape alone, and knows nothing of this.
 * @module
 */
import type { HistoryEntry } from "../protocol/requests.ts";

/** A message as it lies in a mailbox. */
export interface StoredMessage {
  /** Place in the order of all messages. */
  readonly sequence: number;
  /** The sender's id for it. */
  readonly id: string;
  /** Name of the sender. */
  readonly from: string;
  /** Name of the recipient. */
  readonly to: string;
  /** What was written. */
  readonly text: string;
  /** When it was committed, in epoch milliseconds. */
  readonly storedAt: number;
}

/** A device that signs in. */
export interface NewSession {
  /** SHA-256 of its token, in hex. */
  readonly tokenHash: string;
  /** What the person sees in a list of devices. */
  readonly deviceName: string;
}

/** A device that has just signed in. */
export interface OpenedDevice {
  /** The device. */
  readonly deviceId: string;
  /** Highest sequence that the device has shown. */
  readonly readSequence: number;
  /** What its account has chosen. */
  readonly settings: Settings;
}

/** A signed-in device, as found by its token or opened by a login. */
export interface DeviceLogin {
  /** Row id of the account. */
  readonly accountId: number;
  /** Name of the account. */
  readonly name: string;
  /** Device that the login belongs to. */
  readonly deviceId: string;
}

/** What an account has chosen for itself. */
export interface Settings {
  /** Whether senders learn when their messages were read. */
  readonly shareRead: boolean;
  /** Published address; null when none is. */
  readonly email: string | null;
}

/** A user as another user sees it; presence is added by the hub. */
export interface ListedUser {
  /** Row id of the account. */
  readonly accountId: number;
  /** Name of the account. */
  readonly name: string;
  /** When the user was last here, in epoch milliseconds; null for never. */
  readonly lastSeenAt: number | null;
  /** Messages from this user that the asking account has not read. */
  readonly unreadCount: number;
  /** Published address; null when none is. */
  readonly email: string | null;
}

/** News for one sender about how far its messages have got. */
export interface ReceiptNews {
  /** Account to be told. */
  readonly senderId: number;
  /** Everything up to this sequence has arrived; unset when that did not move. */
  readonly delivered?: number;
  /** Everything up to this sequence was read; unset when that did not move, or is not shared. */
  readonly read?: number;
}

/** The verbs of the store that chat uses. Each rejects with a `ChatError`, or with a fault of its own. */
export interface ChatStore {
  /** Makes an account and signs in. @throws {ChatError} `conflict` name taken, `forbidden` join code not valid. */
  registerAccount(
    account: { name: string; passwordHash: string; joinCode: string | null } & NewSession,
  ): Promise<OpenedDevice & { readonly accountId: number }>;
  /** Null for an unknown name; `deviceId` is what `isKnownDevice` is about. */
  findCredentials(
    name: string,
    deviceId: string | null,
  ): Promise<{ accountId: number; name: string; passwordHash: string; isKnownDevice: boolean } | null>;
  /**
   * Replaces the stored hash if it is `formerHash`, and ends all sessions of the account but one.
   *
   * @throws {ChatError} `unauthenticated` when it is another.
   */
  changePassword(
    accountId: number,
    change: { passwordHash: string; formerHash: string | null; exceptTokenHash: string | null },
  ): Promise<void>;
  /**
   * Starts a session of a device, if the stored hash is still the one that was checked; `newPasswordHash` takes its place. A
   * `deviceId` of this account is used again, else a new device is made, which pushes out no connected one.
   *
   * @throws {ChatError} `unauthenticated` when the account or its hash has changed, `forbidden` when it is disabled.
   */
  openDeviceSession(
    session: {
      accountId: number;
      passwordHash: string;
      newPasswordHash: string | null;
      deviceId: string | null;
      connectedDeviceIds: readonly string[];
    } & NewSession,
  ): Promise<OpenedDevice>;
  /** Null when the token is unknown, ended, or too long unused. */
  findDeviceSession(tokenHash: string): Promise<(DeviceLogin & OpenedDevice) | null>;
  /** Ends a device's session; its cursors stay. */
  closeDeviceSession(tokenHash: string): Promise<void>;
  /** Users in the order of their names. */
  listUsers(
    page: { viewerId: number; after: string | null; limit: number },
  ): Promise<{ readonly users: readonly ListedUser[]; readonly next: string | null }>;
  /** Null for an unknown name. */
  findUser(name: string, viewerId: number): Promise<ListedUser | null>;
  /** Notes when an account was last here. */
  markSeen(accountId: number, at: number): Promise<void>;
  /** Changes what is given; returns all. */
  updateSettings(
    accountId: number,
    changes: { shareRead?: boolean; email?: string | null },
  ): Promise<Settings>;
  /** Refuses messages from somebody. @throws {ChatError} `not_found`. */
  blockUser(accountId: number, name: string): Promise<void>;
  /** Takes them again. @throws {ChatError} `not_found`. */
  unblockUser(accountId: number, name: string): Promise<void>;
  /** Names this account has blocked. */
  listBlocked(accountId: number): Promise<readonly string[]>;
  /**
   * Commits a message; promises resolve in the order of the sequences.
   *
   * @throws {ChatError} `not_found`, `blocked`, `mailbox_full`, `conflict`, `unavailable`.
   */
  sendMessage(message: { senderId: number; id: string; to: string; text: string }): Promise<{
    readonly sequence: number;
    readonly storedAt: number;
    readonly isDuplicate: boolean;
    readonly recipientId: number;
  }>;
  /** Messages to an account above `after`, oldest first; `next` is null at the end of the mailbox. */
  listMailbox(
    page: { accountId: number; after: number; limit: number; maxBytes: number },
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly next: number | null }>;
  /** 0 for an empty mailbox. */
  highestSequence(accountId: number): Promise<number>;
  /** How far a device has read. */
  readSequence(accountId: number, deviceId: string): Promise<number>;
  /** Moves a device's cursors forward; returns what senders should hear. */
  acknowledge(
    cursors: { accountId: number; deviceId: string; delivered?: number; read?: number },
  ): Promise<readonly ReceiptNews[]>;
  /** Messages between two accounts, oldest first, below `before`. */
  listConversation(
    page: { accountId: number; with: string; before: number | null; limit: number; maxBytes: number },
  ): Promise<{
    readonly messages: readonly (StoredMessage & { readonly state: HistoryEntry["state"] | null })[];
    readonly next: number | null;
  }>;
}

/** The other end of a session: where replies and events go. */
export interface SessionPeer {
  /** Names the connection in logs. */
  readonly id: string;
  /** Normalised IP address. */
  readonly remoteAddress: string;
  /** The part of the address that one household or host can choose freely (IPv6: a /64), for counting callers. */
  readonly addressGroup: string;
  /** True once nothing more is sent: the connection is being closed, or has ended. */
  readonly isClosing: boolean;
  /** True while more bytes wait to be written than the peer takes. */
  readonly isBacklogged: boolean;
  /** Resolves when what waits has been written, or the connection has ended. */
  drained(): Promise<void>;
  /** Sends an event. Never blocks; does nothing once the connection has ended. */
  notify(method: string, params: unknown): void;
  /** Ends the connection after what waits is written. */
  close(reason: string): void;
}
