/**
 * The store that the rules of chat ask for: what is kept, and each verb, said once.
 *
 * Knows nothing of how anything is kept; `lib/store` implements it. The interface that a verb stands in says whether it
 * reads or writes, and for whom it is. Every verb is asynchronous and atomic: it has happened and is on disk when its promise
 * resolves, or it has not happened at all. Calls of one sender take effect in the order in which they were made, and a read sees all
 * that resolved before it was asked for, on whichever server of a community. Times are epoch milliseconds
 * from the store's own clock, sizes are bytes of text in UTF-8. Any verb may reject with {@linkcode ChatError} `unavailable`
 * while nothing can be stored (a full disk), and works again once it can; anything but a `ChatError` is a fault of ours.
 * @module
 */
import type { Event } from "../protocol/events.ts";
import type { HistoryEntry, Result, UserEntry } from "../protocol/requests.ts";

/** What an account has chosen for itself. A new one shares no read receipts and publishes no address. */
export type Settings = Result<"update_settings">;

/** Which account something is about. */
export interface AccountName {
  /** Id of the account; never used twice. */
  readonly accountId: number;
  /** Name, unique on the server. */
  readonly name: string;
}

/** What a password is checked against. */
export interface Credentials extends AccountName {
  /** The hash, with its method and parameters. */
  readonly passwordHash: string;
  /** Whether the device that was named has logged in to this account before. */
  readonly isKnownDevice: boolean;
}

/** A login that is about to be opened. */
export interface NewLogin {
  /** SHA-256 of its token, in hex; the token itself is never stored. */
  readonly tokenHash: string;
  /** Shown to the person in a list of devices. */
  readonly deviceName: string;
}

/** A device that has logged in. */
export interface OpenedDevice {
  /** Id of the device, which the client gives again at its next login. */
  readonly deviceId: string;
  /** Highest sequence that the device has shown, where its next delivery starts. */
  readonly readSequence: number;
  /** What its account has chosen. */
  readonly settings: Settings;
}

/** A login found by its token. */
export interface FoundLogin extends AccountName, OpenedDevice {
  /** Highest sequence that the device has confirmed; never below `readSequence`. */
  readonly deliveredSequence: number;
}

/** A user as another user sees it. Presence is a lease in memory, never stored; the hub adds it. */
export type ListedUser = AccountName & Omit<UserEntry, "presence">;

/**
 * A message as it lies in a mailbox; its id is spelled as the sender spelled it. `sequence` is its place in the one order of all
 * messages: it increases, with gaps, within a mailbox and within a history.
 */
export type StoredMessage = Omit<HistoryMessage, "state">;

/** A message of a history; `state` is absent on those of the other side. */
export type HistoryMessage = HistoryEntry;

/** What became of a message that was sent. */
export interface SentMessage {
  /** Place in the one order of all messages. */
  readonly sequence: number;
  /** Highest sequence of that mailbox before this call; 0 when nothing was ever sent to it. */
  readonly previous: number;
  /** When it was committed. */
  readonly storedAt: number;
  /** True when the same message was stored before; then nothing was stored now. */
  readonly isDuplicate: boolean;
  /** Account of the recipient. */
  readonly recipientId: number;
}

/** News for one sender: its newest message to whoever acknowledged that is now delivered, or read and shared; absent if unmoved. */
export interface ReceiptNews extends Omit<Event<"receipt">, "by"> {
  /** Account to be told. */
  readonly senderId: number;
}

/** An account to be made. */
export interface NewAccount {
  /** Name, unique for ever: a removed account keeps its own, so that nobody can pose as its owner. */
  readonly name: string;
  /** The hash, with its method and parameters. */
  readonly passwordHash: string;
  /** Invite of which one use is taken; null when registration is open or the operator adds the account. */
  readonly joinCode: string | null;
}

/** What a ban shuts out. */
export type BanKind = "account" | "network";

/** Somebody, or everybody from somewhere, whom the operator lets in no more for a while. */
export interface Ban {
  /** What it shuts out. */
  readonly kind: BanKind;
  /** Name of the account, or the network as `Network` of `lib/addresses.ts` writes it. */
  readonly subject: string;
  /** When it was made, or last changed. */
  readonly createdAt: number;
  /** When it ends, by itself. */
  readonly endsAt: number;
  /** The operator's own words about it, for operators alone; may be empty. */
  readonly reason: string;
}

/** A time in which nobody registers, and nobody writes to a stranger. */
export interface Lockdown {
  /** When it began. */
  readonly since: number;
  /** When it ends by itself; null when the operator has to end it. */
  readonly endsAt: number | null;
}

/** What the operator has ordered for a while, as far as it is not over. */
export interface StandingOrders {
  /** In the order of kind and subject. */
  readonly bans: readonly Ban[];
  /** Null when the server is not locked. */
  readonly lockdown: Lockdown | null;
}

/** The verbs of chat that write nothing. */
export interface ChatReads {
  /** What to check a password against, and whether the device is known; null when there is no such account. */
  findCredentials(name: string, deviceId: string | null): Promise<Credentials | null>;

  /** One page of all users but the removed ones, by name after `after`; the viewer is among them. `next` is null at the end. */
  listUsers(
    page: { viewerId: number; after: string | null; limit: number },
  ): Promise<{ readonly users: readonly ListedUser[]; readonly next: string | null }>;

  /** One user as the viewer sees it; null when there is none. */
  findUser(name: string, viewerId: number): Promise<ListedUser | null>;

  /** What the operator has ordered for a while. */
  standingOrders(): Promise<StandingOrders>;

  /** Whether a message of one of the two to the other is there, or `to` is nobody, which a send will say better. */
  haveMet(accountId: number, to: string): Promise<boolean>;

  /** Names that the account has blocked, in order. */
  listBlocked(accountId: number): Promise<readonly string[]>;

  /**
   * Messages to an account with a sequence above `after`, oldest first. `next` is the `after` of the next page; null when the
   * mailbox held no more at that moment.
   * @param page.maxBytes Most bytes of text in the page; it holds at least one message if there is one.
   */
  listMailbox(
    page: { accountId: number; after: number; limit: number; maxBytes: number },
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly next: number | null }>;

  /** Sequence of the newest message that is in the mailbox of an account; 0 when there is none, or none any more. */
  highestSequence(accountId: number): Promise<number>;

  /** Highest sequence that a device has shown; 0 for a device that the account does not have. */
  readSequence(accountId: number, deviceId: string): Promise<number>;

  /**
   * Names of those with whom messages were exchanged and are still there, oneself and removed accounts too, in order. `next` is the
   * `after` of the next page; null at the end. A page may be empty all the same.
   * @param page.limit Accounts that are looked through, so that a large community is asked in steps.
   */
  listConversations(
    page: { accountId: number; after: string | null; limit: number },
  ): Promise<{ readonly names: readonly string[]; readonly next: string | null }>;

  /**
   * What two users wrote to each other: the newest messages below `before`, oldest first. `next` is the `before` of the page
   * with the messages before these; null when there are none.
   * @param page.with Name of the other user; may be oneself.
   * @param page.before Null for the newest.
   * @param page.maxBytes Most bytes of text in the page; a single longer message comes alone.
   * @throws {ChatError} `not_found` – no such user.
   */
  listHistory(
    page: { accountId: number; with: string; before: number | null; limit: number; maxBytes: number },
  ): Promise<{ readonly messages: readonly HistoryMessage[]; readonly next: number | null }>;
}

/** The verbs of chat that write. */
export interface ChatWrites {
  /**
   * Makes an account and logs in its first device. Ids of accounts are never used twice.
   * @throws {ChatError} `conflict` – the name is taken, or was once; `forbidden` – the code is unknown, used up, revoked or
   * expired.
   */
  registerAccount(account: NewAccount & NewLogin): Promise<OpenedDevice & { readonly accountId: number }>;

  /**
   * Replaces the password hash, and ends every login of the account but one.
   * @param change.formerHash Hash that has to be stored for this to happen; null for any.
   * @param change.exceptTokenHash Login that goes on; null for none.
   * @throws {ChatError} `not_found` – no such account; `unauthenticated` – the hash is another by now.
   */
  changePassword(
    accountId: number,
    change: { passwordHash: string; formerHash: string | null; exceptTokenHash: string | null },
  ): Promise<void>;

  /**
   * Logs a device in under a new token, if nothing has changed since its password was checked. A known device of the account
   * is used again, and its former token ends; any other id, or null, makes a new device, which starts at the highest read
   * cursor of the account.
   * @param login.passwordHash What the password was checked against.
   * @param login.newPasswordHash Takes its place, for the same password made at another cost; null leaves it.
   * @param login.connectedDeviceIds Devices of the account that are in use now, so that a new one pushes out none of them.
   * @throws {ChatError} `unauthenticated` – the account is gone, or has another password by now; `forbidden` – the operator
   * has shut it out.
   */
  openLogin(
    login: NewLogin & {
      accountId: number;
      passwordHash: string;
      newPasswordHash: string | null;
      deviceId: string | null;
      connectedDeviceIds: readonly string[];
    },
  ): Promise<OpenedDevice>;

  /** Finds the login of a token and notes its use; null when there is none (pruning ends those unused for 90 days), or its account is shut out. */
  findLogin(tokenHash: string): Promise<FoundLogin | null>;

  /** Ends one login; its device and cursors stay. Does nothing when there is none. */
  closeLogin(tokenHash: string): Promise<void>;

  /** Notes when a user was last signed in; an earlier time than the noted one changes nothing. */
  markSeen(accountId: number, at: number): Promise<void>;

  /** Changes the settings that are given, and returns all. @throws {ChatError} `not_found` – no such account. */
  updateSettings(accountId: number, changes: Partial<Settings>): Promise<Settings>;

  /**
   * Deletes an account for ever, if its password has not changed: its logins, devices, settings, blocks and every message to it.
   * The name stays taken. The texts that it wrote are cleared from all mailboxes a little later, by `clearTexts`: the messages stay
   * in their places, with an empty text.
   * @throws {ChatError} `not_found` – no such account; `unauthenticated` – the hash is another by now.
   */
  deleteAccount(accountId: number, formerHash: string): Promise<void>;

  /**
   * Refuses messages from a user from now on. Blocking twice is the same as once.
   * @throws {ChatError} `not_found` – no such user; `invalid` – that is oneself; `too_large` – 1,000 are blocked already.
   */
  blockUser(accountId: number, name: string): Promise<void>;

  /** Takes messages from a user again, whether it was blocked or not. @throws {ChatError} `not_found` – no such user. */
  unblockUser(accountId: number, name: string): Promise<void>;

  /**
   * Keeps a report of a user for the operator, with the texts of messages as they are in the mailbox of the reporter. A removed
   * account can be reported too.
   * @param report.sequences Of messages from this user to the reporter.
   * @throws {ChatError} `not_found` – no such user, or no such message; `invalid` – that is oneself; `too_large` –
   * 20 reports of the reporter are open.
   */
  reportUser(
    report: { reporterId: number; name: string; why: string; sequences: readonly number[] },
  ): Promise<{ readonly reportId: number }>;

  /**
   * Stores a message in a mailbox, once for each (sender, id). Writing to oneself is allowed. Promises resolve in the order of
   * the sequences.
   * @param message.id The sender's id for it; letters' case matters.
   * @param message.text Checked by the caller for length and content.
   * @throws {ChatError} `not_found` – no such recipient; `blocked` – it takes nothing from this sender; `mailbox_full` –
   * it must read before it takes more from this sender; `conflict` – this id was sent before with another text or recipient.
   */
  sendMessage(message: { senderId: number; id: string; to: string; text: string }): Promise<SentMessage>;

  /**
   * Moves the cursors of a device. They never go back, and never beyond the highest sequence of the mailbox; what is read is
   * delivered as well. An unknown device is ignored.
   * @returns Whom to tell what: only where a message got further on the first of the account's devices.
   */
  acknowledge(
    cursors: { accountId: number; deviceId: string; delivered?: number; read?: number },
  ): Promise<readonly ReceiptNews[]>;
}

/** What the rules of chat may ask of the store. */
export type ChatStore = ChatReads & ChatWrites;
