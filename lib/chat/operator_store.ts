/**
 * The verbs of the store that the server program and its operator ask for, beside those of chat, and the store as a whole.
 *
 * All that `store.ts` promises holds here too. They also work from another process while the server runs.
 * @module
 */
import type { ChatError } from "../errors.ts";
import type {
  AccountName,
  Ban,
  ChatReads,
  ChatWrites,
  NewAccount,
  Settings,
  StoredMessage,
} from "./store.ts";

/** A code that lets people register. Kept readable, since the server prints its link at every start. */
export interface Invite {
  /** The code itself, unique. */
  readonly code: string;
  /** Accounts it may make; null for any number. */
  readonly maxUses: number | null;
  /** Accounts made with it so far. */
  readonly uses: number;
  /** When it ends; null for never. */
  readonly expiresAt: number | null;
  /** Whether it lets somebody register now: not revoked, not used up, not at its end. */
  readonly isOpen: boolean;
  /** The operator's own words about it; may be empty. */
  readonly note: string;
}

/** An account as the operator sees it. */
export interface ListedAccount extends AccountName {
  /** When it was made. */
  readonly createdAt: number;
  /** When the user was last signed in; null when never. */
  readonly lastSeenAt: number | null;
  /** Whether the operator has shut the account out. */
  readonly isDisabled: boolean;
  /** Devices it has logged in on. */
  readonly deviceCount: number;
  /** Messages read on no device. */
  readonly unreadMessages: number;
  /** Bytes of text read on no device. */
  readonly unreadBytes: number;
}

/** A report of one user by another, without what was said. */
export interface ListedReport {
  /** Its number. */
  readonly id: number;
  /** When it was made. */
  readonly createdAt: number;
  /** Name of the user who made it. */
  readonly reporter: string;
  /** Name of the user whom it is about. */
  readonly reported: string;
  /** Messages that were reported. */
  readonly messageCount: number;
  /** When the operator closed it; null while it is open. */
  readonly closedAt: number | null;
}

/** A report with what was said. */
export interface OpenReport extends ListedReport {
  /** What the reporter says; null once it is closed. */
  readonly why: string | null;
  /** The reported messages, as the mailbox had them; empty once it is closed. */
  readonly messages: readonly ReportedMessage[];
}

/** A message in a report. */
export type ReportedMessage = Pick<StoredMessage, "sequence" | "id" | "text" | "storedAt">;

/** How much is in the store. */
export interface StoreCounts {
  /** Accounts, without the removed ones. */
  readonly accounts: number;
  /** Devices of all accounts. */
  readonly devices: number;
  /** Devices with a login whose token still works. */
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

/** What fills the store, for those who watch it. */
export interface StoreSurvey {
  /** Messages of all mailboxes. */
  readonly messages: number;
  /** Whether that is about right: PostgreSQL's estimate, as it would have to read all of them to count. */
  readonly isEstimated: boolean;
  /** Bytes of text in them. */
  readonly textBytes: number;
  /** Messages that their recipient has read on no device. */
  readonly unreadMessages: number;
  /** When the oldest of those was stored; null when there is none. */
  readonly oldestUnreadAt: number | null;
  /** When the newest message was stored; null when there is none. */
  readonly newestStoredAt: number | null;
  /** Size of the database, without a write-ahead log. */
  readonly databaseBytes: number;
}

/** How busy the store is. */
export interface StoreFigures {
  /** Calls that have not been answered. */
  readonly waiting: number;
  /** Commits that wrote something, since the store was opened. */
  readonly commits: number;
  /** Milliseconds that they took together: most of it is the disk's. */
  readonly commitMs: number;
  /** Milliseconds of the last one; null before the first. */
  readonly lastCommitMs: number | null;
  /** Why nothing can be stored: the disk is full, or the database is away; null once something was stored again. */
  readonly trouble: ChatError | null;
}

/** What one call of `prune` took away. */
export interface PruneResult {
  /** Messages taken away. */
  readonly messages: number;
  /** Devices taken away. */
  readonly devices: number;
  /** False when the call stopped at its limit and there is more to take away. */
  readonly isDone: boolean;
}

/** What is known of an account beside its messages. */
export interface AccountDetails extends AccountName, Settings {
  /** Names of those it takes nothing from, in order. */
  readonly blocked: readonly string[];
}

/** What one call of `clearTexts` did. */
export interface ClearResult {
  /** Messages that have no text any more, or are gone. */
  readonly texts: number;
  /** Whether nothing is left to clear now. */
  readonly isDone: boolean;
}

/** The verbs by which an operator changes something: each can be noted. */
export const OPERATOR_ACTS = [
  "createAccount",
  "changePassword",
  "setDisabled",
  "removeAccount",
  "createInvite",
  "revokeInvite",
  "ban",
  "liftBan",
  "lockDown",
  "endLockdown",
  "openReport",
  "closeReport",
  "openAccount",
  "leapAhead",
] as const;

/** One of {@linkcode OPERATOR_ACTS}. */
export type OperatorAct = typeof OPERATOR_ACTS[number];

/** What an operator did. Never a password, and no text of a message. */
export interface Act {
  /** Who: a user of the operating system. */
  readonly actor: string;
  /** What: the subcommand, as in `user disable`. */
  readonly act: string;
  /** On what: an account, a network, an invite, a report; may be empty. */
  readonly subject: string;
}

/** An act in the audit log. */
export interface AuditEntry extends Act {
  /** Its place in the log; numbers rise. */
  readonly id: number;
  /** When it was done. */
  readonly at: number;
}

/** The verbs of the server program and its operator that write nothing. */
export interface OperatorReads {
  /** Which of these tokens no longer let anybody in: closed, ended, or of an account now disabled or removed. */
  listEndedLogins(tokenHashes: readonly string[]): Promise<readonly string[]>;

  /** Which of these accounts have been removed, by themselves or by an operator, or are disabled. */
  listGone(accountIds: readonly number[]): Promise<readonly AccountName[]>;

  /** All invites, oldest first, with those that no longer work. */
  listInvites(): Promise<readonly Invite[]>;

  /** One page of all accounts but the removed ones, by name after `after`; `next` is null at the end. */
  listAccounts(
    page: { after: string | null; limit: number },
  ): Promise<{ readonly accounts: readonly ListedAccount[]; readonly next: string | null }>;

  /** Reports with a number above `after`, oldest first. */
  listReports(page: { after: number; limit: number }): Promise<readonly ListedReport[]>;

  /** The audit log, oldest first: entries from a time on with an id above `after`. They are kept for two years. */
  listAudit(page: { from: number; after: number; limit: number }): Promise<readonly AuditEntry[]>;

  /** How much is in the store. Reads whole tables: for the operator, not for each request. */
  counts(): Promise<StoreCounts>;

  /** What fills the store. Reads much, but holds up no other call. */
  survey(): Promise<StoreSurvey>;

  /**
   * When somebody was last active before a time: a device in use, or a message stored; null for never. One that was in use from
   * `from` on will do: then messages, of which there may be very many after that time, are not looked at.
   */
  lastActiveAt(stretch: { from: number; before: number }): Promise<number | null>;

  /** Verifies the file, its references and its running totals; returns what is wrong, in words. Empty when all is well. */
  checkIntegrity(): Promise<readonly string[]>;

  /** A number that changes when another process has changed the store, and only then. */
  dataVersion(): Promise<number>;
}

/** The verbs of the server program and its operator that write. */
export interface OperatorWrites {
  /** Makes an account that has logged in nowhere yet. Ids are never used twice. @throws {ChatError} As `registerAccount`. */
  createAccount(account: NewAccount): Promise<{ readonly accountId: number }>;

  /**
   * Does what another verb does, and notes in the audit log who did it: both have happened, or neither. Resolves, or rejects, as
   * that verb does.
   */
  operate(act: Act, verb: OperatorAct, args: readonly unknown[]): Promise<unknown>;

  /** Notes in the audit log what was done by other means than a verb. */
  noteAct(act: Act): Promise<void>;

  /** Notes that devices are in use now, which keeps them from being pruned. Unknown ones are ignored. */
  noteDevicesUsed(deviceIds: readonly string[]): Promise<void>;

  /** Makes an invite. @throws {ChatError} `conflict` – the code exists. */
  createInvite(invite: Pick<Invite, "code" | "maxUses" | "expiresAt" | "note">): Promise<void>;

  /** Ends an invite; accounts made with it stay. @throws {ChatError} `not_found` – no such code. */
  revokeInvite(code: string): Promise<void>;

  /**
   * Lets an account log in no more, or again. Disabling ends its logins; its mailbox goes on taking messages.
   * @throws {ChatError} `not_found` – no such account.
   */
  setDisabled(name: string, isDisabled: boolean): Promise<void>;

  /** What is known of an account. It stands with what writes so that reading it is noted. @throws {ChatError} `not_found` – none. */
  openAccount(name: string): Promise<AccountDetails>;

  /**
   * Removes an account: its logins, devices, settings and every message *to* it. What it *sent* stays with the people who
   * received it, under its name, and the name stays taken.
   * @param clearsTexts Whether the texts that it sent are cleared as well, as by `deleteAccount`; false by default.
   * @throws {ChatError} `not_found` – no such account.
   */
  removeAccount(name: string, clearsTexts?: boolean): Promise<void>;

  /**
   * Clears some of the texts that deleted accounts wrote, from a minute after the deletion on, when none of their sessions is left.
   * @param limit Most messages touched in one call; 2,000 by default.
   */
  clearTexts(limit?: number): Promise<ClearResult>;

  /**
   * Lets an account, or everybody from a network, in no more until a time. A ban that is there already is changed. Every server
   * of a community notices within seconds.
   * @throws {ChatError} `not_found` – no such account.
   */
  ban(ban: Pick<Ban, "kind" | "subject" | "endsAt" | "reason">): Promise<void>;

  /** Ends a ban. @throws {ChatError} `not_found` – there is none, or it has ended. */
  liftBan(ban: Pick<Ban, "kind" | "subject">): Promise<void>;

  /**
   * Locks the server until a time, or until it is unlocked when `endsAt` is null; a lockdown that is there already is changed.
   * Every server of a community notices within seconds.
   */
  lockDown(endsAt: number | null): Promise<void>;

  /** A report with what was said. It stands with what writes so that reading it is noted. @throws {ChatError} `not_found` – none. */
  openReport(id: number): Promise<OpenReport>;

  /**
   * Closes a report: what was said in it is deleted, and that there was one stays. Closing twice is the same as once.
   * @throws {ChatError} `not_found` – there is none.
   */
  closeReport(id: number): Promise<void>;

  /** Ends the lockdown. Does nothing when there is none. */
  endLockdown(): Promise<void>;

  /**
   * Gives messages from now on sequences that this community has never had, not even after the state that the store is in: it came
   * back from a backup, and clients that have seen more would take what is new for what they know.
   */
  leapAhead(): Promise<void>;

  /**
   * Takes away what the limits no longer keep: history too old or too big, devices long unused. Never a message that an
   * active device has not shown.
   * @param limit Most messages taken away in one call, so that other calls are not kept waiting; 2,000 by default.
   */
  prune(limit?: number): Promise<PruneResult>;
}

/** What the server program and its operator may ask of the store, beside {@linkcode ChatReads} and {@linkcode ChatWrites}. */
export type OperatorStore = OperatorReads & OperatorWrites;

/** The whole store of a server. Disposing it finishes what waits, and closes the file. */
export interface ServerStore extends ChatReads, ChatWrites, OperatorReads, OperatorWrites, AsyncDisposable {
  /** How busy the store is now. Looks into memory alone. */
  figures(): StoreFigures;

  /** Resolves when every call that was made before has been answered. */
  settled(): Promise<void>;

  /** Rejects, with the cause, if the store can work no more (its thread died); never resolves. */
  readonly failed: Promise<never>;
}
