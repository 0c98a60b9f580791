/**
 * What the server asks of its store: accounts, devices, mailboxes, invites, and the operator's verbs.
 *
 * Knows nothing of sockets or of how anything is kept. Every verb is asynchronous and atomic: it has happened
 * and is on disk when its promise resolves, or it has not happened at all. Calls take effect in the order in which they
 * were made. Times are epoch milliseconds from the store's own clock. Any verb may reject with
 * {@linkcode ChatError} `unavailable` when nothing can be stored now (a full disk), and works again once it can.
 * @module
 */

/** How much the server keeps. Bytes are UTF-8 bytes of message text. */
export interface StoreLimits {
  /** Unread messages an account may have waiting; one more is refused with `mailbox_full`. */
  readonly mailboxMessages: number;
  /** Bytes of unread text an account may have waiting. */
  readonly mailboxBytes: number;
  /** Days that a message is kept after it was stored, once every active device has read it. */
  readonly historyDays: number;
  /** Bytes of read text kept for each account; the oldest go first. */
  readonly historyBytes: number;
}

/** The limits of a server started without flags. */
export const DEFAULT_STORE_LIMITS: StoreLimits = {
  mailboxMessages: 20_000,
  mailboxBytes: 64 * 1024 * 1024,
  historyDays: 365,
  historyBytes: 256 * 1024 * 1024,
};

/** Days without use after which a device's session ends and it holds no messages back. */
export const DEVICE_IDLE_DAYS = 90;

/** What an account has chosen. */
export interface AccountSettings {
  /**
   * Whether senders are told when their messages were read. False for a new account: when somebody reads is
   * theirs to tell, so it is given out only after they asked for it.
   */
  readonly shareRead: boolean;
  /** Address shown to other users for e-mail; null when none is given. */
  readonly email: string | null;
}

/** What a password is checked against. */
export interface Credentials {
  /** Id of the account. */
  readonly accountId: number;
  /** Name, unique on the server. */
  readonly name: string;
  /** The hash, with its method and parameters. */
  readonly passwordHash: string;
  /** Whether the device that was named has signed in to this account before. */
  readonly isKnownDevice: boolean;
}

/** A device that signs in. */
export interface NewSession {
  /** SHA-256 of the token that it comes back with, as text; the token itself is never stored. */
  readonly tokenHash: string;
  /** What the person sees in a list of devices. */
  readonly deviceName: string;
}

/** A device that has just signed in. */
export interface OpenedDevice {
  /** Id of the device, to be kept by the client and given again at its next login. */
  readonly deviceId: string;
  /** Highest sequence that this device has shown; where its next delivery starts. */
  readonly readSequence: number;
  /** What the account has chosen. */
  readonly settings: AccountSettings;
}

/** A session found by its token. */
export interface DeviceSession {
  /** Id of the account. */
  readonly accountId: number;
  /** Name, unique on the server. */
  readonly name: string;
  /** Id of the device. */
  readonly deviceId: string;
  /** Highest sequence that this device has shown. */
  readonly readSequence: number;
  /** Highest sequence that this device has confirmed; never below `readSequence`. */
  readonly deliveredSequence: number;
  /** What the account has chosen. */
  readonly settings: AccountSettings;
}

/** A user as another user sees it. Presence is not here: that is a lease in memory, never stored. */
export interface ListedUser {
  /** Id of the account. */
  readonly accountId: number;
  /** Name, unique on the server. */
  readonly name: string;
  /** When the user was last signed in; null when never. */
  readonly lastSeenAt: number | null;
  /** Messages from this user that the viewer has read on no device. */
  readonly unreadCount: number;
  /** Address shown to other users; null when none is given. */
  readonly email: string | null;
}

/** One page of users, by name. */
export interface UserPage {
  /** The users, by name. */
  readonly users: readonly ListedUser[];
  /** The `after` of the next page; null when this was the last. */
  readonly next: string | null;
}

/** How far a message has got: on disk, confirmed by a device of the recipient, shown to the recipient. */
export type MessageState = "stored" | "delivered" | "read";

/** A message as it lies in a mailbox. */
export interface StoredMessage {
  /** Place in the one order of all messages; increases, with gaps, within a mailbox and a conversation. */
  readonly sequence: number;
  /** The sender's id for it (UUIDv7), in the form it was sent in. */
  readonly id: string;
  /** Name of the sender. */
  readonly from: string;
  /** Name of the recipient. */
  readonly to: string;
  /** What the sender wrote. */
  readonly text: string;
  /** When it was committed. */
  readonly storedAt: number;
}

/** A message of a conversation. */
export interface ConversationMessage extends StoredMessage {
  /** How far the viewer's own message has got; null for messages of the other side. */
  readonly state: MessageState | null;
}

/** What became of a message that was sent. */
export interface SentMessage {
  /** Place in the one order of all messages. */
  readonly sequence: number;
  /** When it was committed. */
  readonly storedAt: number;
  /** True when the same message was stored before; then nothing was stored now, and nothing is to be pushed. */
  readonly isDuplicate: boolean;
  /** Account of the recipient. */
  readonly recipientId: number;
}

/** One page of a mailbox, oldest first. */
export interface MailboxPage {
  /** The messages, oldest first. */
  readonly messages: readonly StoredMessage[];
  /** The `after` of the next page; null when the mailbox held no more at that moment. */
  readonly next: number | null;
}

/** One page of a conversation, oldest first. */
export interface ConversationPage {
  /** The messages, oldest first. */
  readonly messages: readonly ConversationMessage[];
  /** The `before` of the page with the messages before these; null when there are none. */
  readonly next: number | null;
}

/** News for one sender: everything it sent to the account that acknowledged, up to a sequence, has got further. */
export interface ReceiptNews {
  /** Account to be told. */
  readonly senderId: number;
  /** Sequence of its newest message that is now delivered; absent when that did not move. */
  readonly delivered?: number;
  /** Sequence of its newest message that is now read; absent when that did not move, or is not shared. */
  readonly read?: number;
}

/** A code that lets people register. Kept readable, since the server prints its link at every start. */
export interface Invite {
  /** The code itself, unique. */
  readonly code: string;
  /** Accounts it may make; null for any number. */
  readonly maxUses: number | null;
  /** Accounts made with it so far. */
  readonly uses: number;
  /** When it was made. */
  readonly createdAt: number;
  /** When it ends; null for never. */
  readonly expiresAt: number | null;
  /** When it was revoked; null when it was not. */
  readonly revokedAt: number | null;
  /** The operator's own words about it; may be empty. */
  readonly note: string;
}

/** An account as the operator sees it. */
export interface ListedAccount {
  /** Id of the account. */
  readonly accountId: number;
  /** Name, unique on the server. */
  readonly name: string;
  /** When it was made. */
  readonly createdAt: number;
  /** When the user was last signed in; null when never. */
  readonly lastSeenAt: number | null;
  /** Whether the operator has shut the account out. */
  readonly isDisabled: boolean;
  /** Devices it has signed in on. */
  readonly deviceCount: number;
  /** Messages read on no device. */
  readonly unreadMessages: number;
  /** Bytes of text read on no device. */
  readonly unreadBytes: number;
}

/** One page of accounts, by name. */
export interface AccountPage {
  /** The accounts, by name. */
  readonly accounts: readonly ListedAccount[];
  /** The `after` of the next page; null when this was the last. */
  readonly next: string | null;
}

/** How much is in the store. */
export interface StoreCounts {
  /** Accounts, without the removed ones. */
  readonly accounts: number;
  /** Devices of all accounts. */
  readonly devices: number;
  /** Devices with a session token that still works. */
  readonly sessions: number;
  /** Messages of all mailboxes. */
  readonly messages: number;
  /** Messages that their recipient has read on no device. */
  readonly unreadMessages: number;
  /** Invites that would let somebody register now. */
  readonly openInvites: number;
  /** Size of the database file, without its write-ahead log. */
  readonly databaseBytes: number;
}

/** What one call of prune took away. */
export interface PruneResult {
  /** Messages taken away. */
  readonly messages: number;
  /** Devices taken away. */
  readonly devices: number;
  /** False when the call stopped at its limit and there is more to take away. */
  readonly isDone: boolean;
}

/** Accounts and their credentials, sessions, settings. */
export interface AccountStore {
  /**
   * Makes an account, and uses up one use of the join code with it.
   *
   * @param account.joinCode Invite to consume; null when registration is open or the operator adds the account.
   * @returns Id of the account; ids are never used twice.
   * @throws {ChatError} `conflict` – the name is taken, or was once (a removed account keeps its name, so that nobody can
   * pose as its owner); `forbidden` – the code is unknown, used up, revoked or expired.
   */
  createAccount(account: {
    readonly name: string;
    readonly passwordHash: string;
    readonly joinCode: string | null;
  }): Promise<{ readonly accountId: number }>;

  /**
   * Makes an account, as `createAccount` does, and signs in its first device.
   *
   * @throws {ChatError} As `createAccount`.
   */
  registerAccount(
    account: {
      readonly name: string;
      readonly passwordHash: string;
      readonly joinCode: string | null;
    } & NewSession,
  ): Promise<OpenedDevice & { readonly accountId: number }>;

  /**
   * Finds what to check a password against; null when there is no such account.
   *
   * @param deviceId Device that `isKnownDevice` is about; null for none.
   */
  findCredentials(name: string, deviceId: string | null): Promise<Credentials | null>;

  /**
   * Replaces the password hash, and ends every session of the account but one.
   *
   * @param change.formerHash What the hash must be for this to happen; null for whatever it is.
   * @param change.exceptTokenHash Session that goes on; null for none.
   * @throws {ChatError} `not_found` – no such account; `unauthenticated` – the hash is another by now.
   */
  changePassword(accountId: number, change: {
    readonly passwordHash: string;
    readonly formerHash: string | null;
    readonly exceptTokenHash: string | null;
  }): Promise<void>;

  /**
   * Signs a device in under a new token, if nothing has changed since its password was checked. A known device of the
   * account is used again, and its former token ends; any other id, or null, makes a new device, which starts at the highest
   * read cursor of the account.
   *
   * @param session.passwordHash What the password was checked against.
   * @param session.newPasswordHash Takes its place, for the same password made at another cost; null leaves it.
   * @param session.connectedDeviceIds Devices of the account that are in use now, so that a new one pushes out none of them.
   * @throws {ChatError} `unauthenticated` – the account is gone, or has another password by now; `forbidden` – the operator
   * has shut it out.
   */
  openDeviceSession(
    session: {
      readonly accountId: number;
      readonly passwordHash: string;
      readonly newPasswordHash: string | null;
      readonly deviceId: string | null;
      readonly connectedDeviceIds: readonly string[];
    } & NewSession,
  ): Promise<OpenedDevice>;

  /**
   * Finds the session of a token and notes that it was used; null when there is none, it lay unused for 90 days, or its
   * account is shut out.
   */
  findDeviceSession(tokenHash: string): Promise<DeviceSession | null>;

  /** Notes that devices are in use now, which keeps them from being pruned. Unknown ones are ignored. */
  noteDevicesUsed(
    devices: readonly { readonly accountId: number; readonly deviceId: string }[],
  ): Promise<void>;

  /** Which of these tokens no longer let anybody in: closed, ended, or of an account now disabled or removed. */
  listEndedSessions(tokenHashes: readonly string[]): Promise<readonly string[]>;

  /** Ends one session; its device and cursors stay. Does nothing when there is none. */
  closeDeviceSession(tokenHash: string): Promise<void>;

  /**
   * One page of all users but the removed ones, by name; the viewer is among them.
   *
   * @param page.after Name after which the page starts; null for the first.
   * @param page.limit Most users in the page.
   */
  listUsers(page: {
    readonly viewerId: number;
    readonly after: string | null;
    readonly limit: number;
  }): Promise<UserPage>;

  /** One user as the viewer sees it; null when there is none. */
  findUser(name: string, viewerId: number): Promise<ListedUser | null>;

  /** Notes when a user was last signed in; an earlier time than the noted one changes nothing. */
  markSeen(accountId: number, at: number): Promise<void>;

  /**
   * What an account has chosen.
   *
   * @throws {ChatError} `not_found` – no such account.
   */
  getSettings(accountId: number): Promise<AccountSettings>;

  /**
   * Changes the settings that are given, and leaves the others.
   *
   * @returns All settings as they are now.
   * @throws {ChatError} `not_found` – no such account.
   */
  updateSettings(accountId: number, changes: {
    readonly shareRead?: boolean;
    readonly email?: string | null;
  }): Promise<AccountSettings>;

  /**
   * Refuses messages from a user from now on. Blocking twice is the same as once.
   *
   * @throws {ChatError} `not_found` – no such user; `invalid` – that is oneself; `too_large` – 1,000 are blocked already.
   */
  blockUser(accountId: number, name: string): Promise<void>;

  /**
   * Takes messages from a user again. Does nothing when it was not blocked.
   *
   * @throws {ChatError} `not_found` – no such user.
   */
  unblockUser(accountId: number, name: string): Promise<void>;

  /** Names that the account has blocked, in order. */
  listBlocked(accountId: number): Promise<readonly string[]>;
}

/** Messages and how far they have got. */
export interface MessageStore {
  /**
   * Stores a message in a mailbox, once for each (sender, id). Writing to oneself is allowed.
   *
   * @param message.id The sender's id for it; letters' case matters.
   * @param message.to Name of the recipient.
   * @param message.text Checked by the caller for length and content.
   * @throws {ChatError} `not_found` – no such recipient; `blocked` – it takes nothing from this sender; `mailbox_full` –
   * it must read first; `conflict` – this id was sent before with another text or recipient.
   */
  sendMessage(message: {
    readonly senderId: number;
    readonly id: string;
    readonly to: string;
    readonly text: string;
  }): Promise<SentMessage>;

  /**
   * Messages to an account with a sequence above `after`, oldest first.
   *
   * @param page.limit Most messages in the page.
   * @param page.maxBytes Most bytes of text in the page; it holds at least one message if there is one.
   */
  listMailbox(page: {
    readonly accountId: number;
    readonly after: number;
    readonly limit: number;
    readonly maxBytes: number;
  }): Promise<MailboxPage>;

  /** Sequence of the newest message that was ever sent to an account; 0 when there was none. */
  highestSequence(accountId: number): Promise<number>;

  /** Highest sequence that a device has shown; 0 for a device that the account does not have. */
  readSequence(accountId: number, deviceId: string): Promise<number>;

  /**
   * Moves the cursors of a device. They never go back, and never beyond the highest sequence of the mailbox; what is read is
   * delivered as well. An unknown device is ignored.
   *
   * @returns Whom to tell what: only where a message got further on the first of the account's devices.
   */
  acknowledge(cursors: {
    readonly accountId: number;
    readonly deviceId: string;
    readonly delivered?: number;
    readonly read?: number;
  }): Promise<readonly ReceiptNews[]>;

  /**
   * What two users wrote to each other, the newest messages before a point.
   *
   * @param page.with Name of the other user; may be oneself.
   * @param page.before Sequence before which the page ends; null for the newest.
   * @param page.maxBytes Most bytes of text in the page; a single longer message comes alone.
   * @throws {ChatError} `not_found` – no such user.
   */
  listConversation(page: {
    readonly accountId: number;
    readonly with: string;
    readonly before: number | null;
    readonly limit: number;
    readonly maxBytes: number;
  }): Promise<ConversationPage>;
}

/** Codes that let people register. */
export interface InviteStore {
  /**
   * Makes an invite.
   *
   * @param invite.maxUses Accounts it may make; null for any number.
   * @param invite.expiresAt When it ends; null for never.
   * @throws {ChatError} `conflict` – the code exists.
   */
  createInvite(invite: {
    readonly code: string;
    readonly maxUses: number | null;
    readonly expiresAt: number | null;
    readonly note: string;
  }): Promise<Invite>;

  /** All invites, oldest first, with those that no longer work. */
  listInvites(): Promise<readonly Invite[]>;

  /**
   * Ends an invite. Accounts made with it stay.
   *
   * @throws {ChatError} `not_found` – no such code.
   */
  revokeInvite(code: string): Promise<void>;
}

/** The operator's verbs. They also work from another process while the server runs. */
export interface OperatorStore {
  /** One page of all accounts but the removed ones, by name. */
  listAccounts(page: { readonly after: string | null; readonly limit: number }): Promise<AccountPage>;

  /**
   * Lets an account log in no more, or again. Disabling ends its sessions; its mailbox goes on taking messages.
   *
   * @throws {ChatError} `not_found` – no such account.
   */
  setDisabled(name: string, isDisabled: boolean): Promise<{ readonly accountId: number }>;

  /**
   * Removes an account: its sessions, devices, settings and every message *to* it. What it *sent* stays with the people who
   * received it, under its name, and the name stays taken.
   *
   * @throws {ChatError} `not_found` – no such account.
   */
  removeAccount(name: string): Promise<{ readonly accountId: number }>;

  /** How much is in the store. Reads whole tables: for the operator, not for each request. */
  counts(): Promise<StoreCounts>;

  /** Verifies the file, its references and its running totals; returns what is wrong, in words. Empty when all is well. */
  checkIntegrity(): Promise<readonly string[]>;

  /**
   * Writes a consistent copy into a new file, while the store goes on working.
   *
   * @throws {ChatError} `conflict` – the file exists; `unavailable` – it cannot be written.
   */
  backup(path: string): Promise<void>;

  /** A number that changes when another process has changed the store, and only then. */
  dataVersion(): Promise<number>;

  /**
   * Takes away what the limits no longer keep: history too old or too big, devices long unused. Never a message that an
   * active device has not shown.
   *
   * @param limit Most messages taken away in one call, so that other calls are not kept waiting; 2,000 by default.
   */
  prune(limit?: number): Promise<PruneResult>;
}

/** The whole store of a server. Disposing it finishes what waits, and closes the file. */
export interface ServerStore extends AccountStore, MessageStore, InviteStore, OperatorStore, AsyncDisposable {
  /** Rejects, with the cause, if the store can work no more (its thread died); never resolves. */
  readonly failed: Promise<never>;
}

/** How a store is opened. */
export interface ServerStoreOptions {
  /** Changes to {@linkcode DEFAULT_STORE_LIMITS}. */
  readonly limits?: Partial<StoreLimits>;
  /** Clock in epoch milliseconds; `Date.now` by default. */
  readonly now?: () => number;
}
