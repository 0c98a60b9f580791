// What a running server can say of itself, for `status`, metrics and monitors: numbers, and never whose they are.
import type { StoreSurvey } from "../../chat/operator_store.ts";
import { VERSION } from "../../version.ts";
import { within } from "../../waiting.ts";
import { databaseLogBytes, dataPaths } from "../data_folder.ts";
import type { Work } from "../work.ts";

/** A moment of a server. A survey of the store is up to half a minute old, and null while there is none. */
export interface Figures {
  readonly version: string;
  readonly startedAt: number; // epoch milliseconds
  readonly now: number;
  readonly people: number; // accounts with a session here
  readonly connections: number; // with a session, signed in or not
  readonly messages: number; // stored since the start
  readonly messagesPerSecond: number; // over the last minute
  readonly logins: number; // since the start
  readonly refusedLogins: number;
  readonly waitingCalls: number; // of the store
  readonly commits: number; // since the start
  readonly commitMs: number; // of all of them together
  readonly lastCommitMs: number | null; // null before the first
  readonly meanCommitMs: number | null; // over the last minute; null when there was none
  readonly trouble: string | null; // why nothing can be stored
  readonly survey: StoreSurvey | null;
  readonly databaseLogBytes: number | null; // null for a shared database
  readonly diskFreeBytes: number | null; // where the data folder lies; null where the system does not say
  readonly memoryBytes: number;
  readonly relayedSides: number; // of direct chats, waiting ones included
  readonly relayedBytes: number; // since the start
  readonly openChats: number | null; // direct chats in the whole community; null while the database is away
  readonly community: { readonly servers: number; readonly isLeader: boolean } | null; // null on a file of its own
}

export interface FiguresOptions {
  readonly dataFolder: string;
  readonly isShared: boolean; // a database that several servers share
  readonly startedAt: number;
}

const SAMPLE_EVERY_MS = 5_000;
const SAMPLES = 12; // a minute
const SURVEY_EVERY_MS = 30_000;
const SURVEY_WAIT_MS = 2_000; // that a reader waits for a survey, before it gets the last one

type Sample = {
  readonly at: number;
  readonly messages: number;
  readonly commits: number;
  readonly commitMs: number;
};

export class LiveFigures implements AsyncDisposable {
  readonly #work: Work;
  readonly #options: FiguresOptions;
  readonly #samples: Sample[];
  readonly #timer: ReturnType<typeof setInterval>;
  #survey: StoreSurvey | null = null;
  #surveyedAt = -Infinity;
  #surveying: Promise<void> | undefined;

  constructor(work: Work, options: FiguresOptions) {
    this.#work = work;
    this.#options = options;
    this.#samples = [this.#sample()];
    this.#timer = setInterval(() => {
      this.#samples.push(this.#sample());
      if (this.#samples.length > SAMPLES) this.#samples.shift();
    }, SAMPLE_EVERY_MS);
  }

  /** Costs the chat nothing but the look; what has to be counted in the store is counted there, now and then. */
  async read(): Promise<Figures> {
    const { dataFolder, isShared, startedAt } = this.#options;
    const [openChats, diskFreeBytes, databaseLog] = await Promise.all([
      within(SURVEY_WAIT_MS, this.#work.openChats()).catch(() => undefined),
      freeBytes(dataFolder),
      isShared ? null : databaseLogBytes(dataPaths(dataFolder)),
      within(SURVEY_WAIT_MS, this.#lookOver()),
    ]);
    const { servers, isLeader, ...counted } = this.#work.counted();
    const { waiting, lastCommitMs, trouble } = this.#work.store.figures();
    const sample = this.#sample();
    const before = this.#samples[0]!;
    const commits = sample.commits - before.commits;
    return {
      version: VERSION,
      startedAt,
      now: Date.now(),
      ...counted,
      messagesPerSecond: (sample.messages - before.messages) / Math.max(1, (sample.at - before.at) / 1000),
      waitingCalls: waiting,
      commits: sample.commits,
      commitMs: sample.commitMs,
      lastCommitMs,
      meanCommitMs: commits === 0 ? null : (sample.commitMs - before.commitMs) / commits,
      trouble: trouble === null ? null : trouble.message,
      survey: this.#survey,
      databaseLogBytes: databaseLog,
      diskFreeBytes,
      memoryBytes: Deno.memoryUsage().rss,
      openChats: openChats ?? null,
      community: isShared ? { servers, isLeader } : null,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#surveying;
  }

  #sample(): Sample {
    const { commits, commitMs } = this.#work.store.figures();
    return { at: performance.now(), messages: this.#work.counted().messages, commits, commitMs };
  }

  /** Looks over the store if that was long ago. However many ask, one looks. Never rejects. */
  #lookOver(): Promise<void> {
    if (performance.now() - this.#surveyedAt < SURVEY_EVERY_MS) return Promise.resolve();
    return this.#surveying ??= this.#work.store.survey()
      .then((survey) => this.#survey = survey, () => this.#survey = null)
      .then(() => {
        this.#surveyedAt = performance.now();
        this.#surveying = undefined;
      });
  }
}

async function freeBytes(folder: string): Promise<number | null> {
  try {
    const { statfs } = await import("node:fs/promises"); // not before somebody asks: it would slow every start
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}
