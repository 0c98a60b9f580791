// What a serving server does now and then: notice what the operator changed, note which devices are connected, prune what the
// limits no longer keep, clear what deleted accounts wrote, and look after direct chats whose host's server, or one of whose
// accounts, has gone.
import type { Log } from "../chat/services.ts";
import { endLost } from "../chat/hearing.ts";
import type { DirectChats } from "../chat/direct_chats.ts";
import type { Hub } from "../chat/hub.ts";
import type { PruneResult, ServerStore } from "../chat/operator_store.ts";
import { messageOf } from "../errors.ts";
import { sleep } from "../waiting.ts";

const LOOK_EVERY_MS = 1_000; // whether another process (the operator's subcommands) changed the store
const LOOK_AFTER_CHATS_EVERY_MS = 5_000;
const PRUNE_EVERY_MS = 10 * 60_000;
const PRUNE_STEP_MS = 50; // rest between two steps of one round, so that others get their turn
const CLEAR_EVERY_MS = 2_000; // texts of deleted accounts
const DEVICES_PER_CALL = 500; // noted: a few milliseconds of work, none of it a write on most days

const NOTHING_PRUNED: PruneResult = { messages: 0, devices: 0, isDone: true };

/** So far ahead, a clock is not believed at once: one that is wrong would make everything old. */
const LEAP_MS = 30 * 24 * 3_600_000;
const BELIEVED_AFTER_MS = 24 * 3_600_000;

export type UpkeepStore = Pick<
  ServerStore,
  | "settled"
  | "dataVersion"
  | "listEndedLogins"
  | "listGone"
  | "noteDevicesUsed"
  | "lastActiveAt"
  | "prune"
  | "clearTexts"
>;

export interface UpkeepOptions {
  readonly rules?: { refresh(): Promise<void> }; // what the operator has ordered; left out by default
  readonly isLeader?: () => boolean; // whether this server does what one of its community does for all; always by default
  readonly chats?: Pick<DirectChats, "lookAfterAll">; // left out by default
}

/** Whether what is old may be taken away for ever, going by the clock. */
export class BelievedClock {
  readonly #store: Pick<UpkeepStore, "lastActiveAt">;
  readonly #log: Pick<Log, "warn">;
  readonly #now: () => number;
  readonly #upMs: () => number;
  #believedAt: number | null = null; // what it showed then; null before the first look
  #leaptAt: number | null = null; // when it was first seen to be far ahead, on the clock that nobody sets

  /** @param upMs A clock in milliseconds that nobody sets. */
  constructor(
    store: Pick<UpkeepStore, "lastActiveAt">,
    log: Pick<Log, "warn">,
    now: () => number = Date.now,
    upMs: () => number = () => performance.now(),
  ) {
    [this.#store, this.#log, this.#now, this.#upMs] = [store, log, now, upMs];
  }

  /**
   * Not for a day after it has leapt far ahead of what it showed last; or, where this is the first look, of when somebody was last
   * active. The last day does not count: it may have been of the same wrong clock, before a restart.
   */
  async isBelieved(): Promise<boolean> {
    const now = this.#now();
    const stretch = { from: now - LEAP_MS, before: now - BELIEVED_AFTER_MS };
    const before = this.#believedAt ?? await this.#store.lastActiveAt(stretch) ?? now;
    this.#believedAt ??= before;
    if (now - before > LEAP_MS) {
      if (this.#leaptAt === null) {
        this.#leaptAt = this.#upMs();
        const [clock, last] = [now, before].map((at) => new Date(at).toISOString());
        this.#log.warn(
          "the clock is far ahead of what it showed last, or nobody was here for long: nothing old is " +
            "removed for a day; set the clock if it is wrong",
          { clock, last },
        );
      }
      if (this.#upMs() - this.#leaptAt < BELIEVED_AFTER_MS) return false;
    }
    this.#believedAt = now;
    this.#leaptAt = null;
    return true;
  }
}

/** What is attempted again and again: a failure is logged once, until there is another one, or none. */
export class Attempts {
  readonly #log: Pick<Log, "warn">;
  readonly #reasons = new Map<string, string>(); // by failure

  constructor(log: Pick<Log, "warn">) {
    this.#log = log;
  }

  async make(failure: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      this.#reasons.delete(failure);
    } catch (error) {
      const reason = messageOf(error);
      if (this.#reasons.get(failure) !== reason) this.#log.warn(failure, { error });
      this.#reasons.set(failure, reason);
    }
  }
}

export class Upkeep implements Disposable {
  readonly #store: UpkeepStore;
  readonly #hub: Hub;
  readonly #log: Log;
  readonly #rules: UpkeepOptions["rules"];
  readonly #isLeader: () => boolean;
  readonly #clock: BelievedClock;
  #dataVersion: number | undefined; // as of the last look that found all ended logins; unset before the first one
  #isMidRound = false; // the last step of pruning left more to take away
  readonly #attempts: Attempts;
  readonly #disposed = new AbortController();

  /** Starts; pruning begins at once. */
  constructor(store: UpkeepStore, hub: Hub, log: Log, options: UpkeepOptions = {}) {
    const { isLeader = () => true, chats, rules } = options;
    this.#store = store;
    this.#hub = hub;
    this.#log = log;
    this.#isLeader = isLeader;
    this.#rules = rules;
    this.#clock = new BelievedClock(store, log);
    this.#attempts = new Attempts(log);
    if (chats) this.#keepLookingAfterChats(chats).catch(() => {});
    // All reject once this is disposed of, in their sleep.
    this.#keepLooking().catch(() => {});
    this.#keepPruning().catch(() => {});
    this.#keepClearing().catch(() => {});
  }

  [Symbol.dispose](): void {
    this.#disposed.abort();
  }

  async #keepLooking(): Promise<never> {
    for (;;) {
      await sleep(LOOK_EVERY_MS, this.#disposed.signal);
      await this.#attempts.make("could not look for the operator's changes", () => this.look());
    }
  }

  /** Obeys what another process has ordered, and ends the sessions whose login it has ended; happens by itself every second. */
  async look(): Promise<void> {
    const version = await this.#store.dataVersion();
    if (version === this.#dataVersion) return;
    await this.#rules?.refresh();
    await endLost(this.#store, () => this.#hub.all(), "revoked");
    this.#dataVersion = version;
  }

  /**
   * Takes a step of a round of pruning; before the first one, connected devices are noted as used. Happens by itself. Each
   * server of a community notes its own devices; only one of them prunes.
   */
  async prune(): Promise<PruneResult> {
    if (!this.#isMidRound) await this.#noteConnected();
    const pruned = this.#isLeader() ? await this.#store.prune() : NOTHING_PRUNED;
    this.#isMidRound = !pruned.isDone;
    return pruned;
  }

  async #keepLookingAfterChats(chats: Pick<DirectChats, "lookAfterAll">): Promise<never> {
    for (;;) {
      await sleep(LOOK_AFTER_CHATS_EVERY_MS, this.#disposed.signal);
      if (!this.#isLeader()) continue;
      await this.#attempts.make("could not look after direct chats", () => chats.lookAfterAll(this.#store));
    }
  }

  /** A device that only listens is used by nothing else. */
  async #noteConnected(): Promise<void> {
    const sessions = [...this.#hub.all()];
    for (let at = 0; at < sessions.length; at += DEVICES_PER_CALL) {
      const those = sessions.slice(at, at + DEVICES_PER_CALL);
      await this.#store.noteDevicesUsed(those.map(({ identity }) => identity.deviceId));
    }
  }

  /** Clears texts of deleted accounts, step by step; on one server of a community. A round that was cut short goes on here. */
  async #keepClearing(): Promise<never> {
    for (let texts = 0, restMs = CLEAR_EVERY_MS;;) {
      await sleep(restMs, this.#disposed.signal);
      restMs = CLEAR_EVERY_MS;
      if (!this.#isLeader()) continue;
      await this.#attempts.make("could not clear texts", async () => {
        const cleared = await this.#store.clearTexts();
        texts += cleared.texts;
        if (!cleared.isDone) restMs = PRUNE_STEP_MS;
        else if (texts > 0) {
          this.#log.info("cleared what deleted accounts wrote", { texts });
          texts = 0;
        }
      });
    }
  }

  async #keepPruning(): Promise<never> {
    for (let restMs = PRUNE_STEP_MS;;) {
      await sleep(restMs, this.#disposed.signal);
      restMs = PRUNE_EVERY_MS;
      await this.#attempts.make("could not prune", async () => {
        if (!await this.#clock.isBelieved()) return;
        const pruned = await this.prune();
        if (!pruned.isDone) restMs = PRUNE_STEP_MS;
        if (pruned.messages + pruned.devices > 0) this.#log.info("pruned", { ...pruned });
      });
    }
  }
}
