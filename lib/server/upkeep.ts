/**
 * What a serving server does now and then: notice what the operator changed, and prune what the limits no longer keep.
 * @module
 */
import type { Log } from "../chat/services.ts";
import type { Hub } from "../chat/hub.ts";
import type { ServerStore } from "../store/server_store.ts";

/** How often to look whether another process (the operator's subcommands) changed the store, in milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** Rest between two rounds of pruning, in milliseconds. */
const PRUNE_EVERY_MS = 10 * 60_000;

/** Rest between two steps of one round, so that others get their turn, in milliseconds. */
const PRUNE_STEP_MS = 50;

/** Runs the upkeep of a server until it is disposed. */
export class Upkeep implements Disposable {
  readonly #store: Pick<ServerStore, "dataVersion" | "listEndedSessions" | "prune">;
  readonly #hub: Hub;
  readonly #log: Log;
  #dataVersion: number | undefined; // as of the last look; unset before the first one
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #pruneTimer: ReturnType<typeof setTimeout> | undefined;
  #isDisposed = false;

  /** Starts; pruning begins at once. */
  constructor(store: Pick<ServerStore, "dataVersion" | "listEndedSessions" | "prune">, hub: Hub, log: Log) {
    this.#store = store;
    this.#hub = hub;
    this.#log = log;
    this.#scheduleLook();
    this.#schedulePrune(PRUNE_STEP_MS);
  }

  /** Stops. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#lookTimer);
    clearTimeout(this.#pruneTimer);
  }

  #scheduleLook(): void {
    if (this.#isDisposed) return;
    this.#lookTimer = setTimeout(async () => {
      try {
        await this.#look();
      } catch (error) {
        this.#log.warn("could not look for the operator's changes", { error });
      }
      this.#scheduleLook();
    }, LOOK_EVERY_MS);
  }

  async #look(): Promise<void> {
    const version = await this.#store.dataVersion();
    if (version === this.#dataVersion) return;
    this.#dataVersion = version;
    const sessions = [...this.#hub.all()];
    const ended = new Set(await this.#store.listEndedSessions(sessions.map(({ tokenHash }) => tokenHash)));
    for (const session of sessions) if (ended.has(session.tokenHash)) session.end("revoked");
  }

  #schedulePrune(afterMs: number): void {
    if (this.#isDisposed) return;
    this.#pruneTimer = setTimeout(async () => {
      let isDone = true;
      try {
        const pruned = await this.#store.prune();
        isDone = pruned.isDone;
        if (pruned.messages + pruned.devices > 0) this.#log.info("pruned", { ...pruned });
      } catch (error) {
        this.#log.warn("could not prune", { error });
      }
      this.#schedulePrune(isDone ? PRUNE_EVERY_MS : PRUNE_STEP_MS);
    }, afterMs);
  }
}
