/**
 * One device of one person: a process that is killed, stopped and started again, and all that it ever wrote down.
 * @module
 */
import { join } from "node:path";
import { clientCommand } from "../helpers/mini_chat.ts";
import { CLIENT_PERMISSIONS } from "../../build/permissions.ts";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import type { FaultProxy } from "./fault_proxy.ts";
import type { DeviceHistory, Entry } from "./history.ts";

/** What a device is. */
export interface DeviceOptions {
  readonly account: string;
  /** Unique name. */
  readonly device: string;
  /** Folder of its profile, signed in already. */
  readonly profile: string;
  /** Its own way to the server. */
  readonly proxy: FaultProxy;
  /** `tail` is the real client program, which only reads; `talker` is `talker.ts`, which writes to these friends too. */
  readonly runs: { readonly kind: "tail" } | {
    readonly kind: "talker";
    readonly friends: readonly string[];
    readonly perSecond: number;
  };
  /** Told of each line of the journal, and of nothing else. */
  readonly clock: () => number;
}

/** How long a program that ended by itself rests before it is started again, in milliseconds. */
const REST_MS = 200;

/** Messages that `tail` of the real client prints before it notes them as read. */
const TAIL_NOTES_AFTER = 50;

/** A device. */
export class Device {
  readonly options: DeviceOptions;
  /** What its programs wrote to standard error: faults of ours. */
  complaints = "";
  readonly #lives: (Entry & { readonly at: number })[][] = [];
  #child: Deno.ChildProcess | undefined; // set while it runs
  #input: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #over: Promise<void> = Promise.resolve(); // ends with the present life
  #nextNumber = 0;
  #isQuiet = false;
  #mayRun = false;
  #written = 0;
  #settled = 0;

  /** Starts nothing yet. */
  constructor(options: DeviceOptions) {
    this.options = options;
  }

  /** What it did so far. */
  get history(): DeviceHistory {
    const { account, device, runs } = this.options;
    return {
      account,
      device,
      lives: this.#lives,
      ...(runs.kind === "tail" ? { notesAfter: TAIL_NOTES_AFTER } : {}),
    };
  }

  /** Messages that it wrote and that were neither acknowledged nor refused. */
  get inFlight(): number {
    return this.#written - this.#settled;
  }

  /** Whether it was told to be quiet, and all that it wrote is with the server. */
  get isEmpty(): boolean {
    return this.options.runs.kind === "tail" ||
      this.#lives.at(-1)?.at(-1) !== undefined && this.#hasSaidEmpty();
  }

  /** Starts it, and again whenever it ends by itself. */
  start(): void {
    this.#mayRun = true;
    if (!this.#child) this.#run();
  }

  /** Kills it; it stays dead until {@linkcode Device.start}. */
  async kill(): Promise<void> {
    this.#mayRun = false;
    this.#signal("SIGKILL");
    await this.#over;
  }

  /** Stops it in the middle of whatever it does; {@linkcode Device.thaw} lets it go on. */
  freeze(): void {
    this.#signal("SIGSTOP");
  }

  /** Lets it go on. */
  thaw(): void {
    this.#signal("SIGCONT");
  }

  /** Tells it to write nothing more; what it wrote is still sent. */
  quiet(): void {
    this.#isQuiet = true;
    this.#input?.write(new TextEncoder().encode("quiet\n")).catch(() => {});
  }

  #hasSaidEmpty(): boolean {
    return this.#lives.at(-1)!.some(({ kind }) => kind === "empty");
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch {
      // It has just ended.
    }
  }

  #run(): void {
    const life: (Entry & { readonly at: number })[] = [];
    this.#lives.push(life);
    const { command, args, env } = this.#command();
    const child = new Deno.Command(command, { args, env, stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    this.#child = child;
    this.#input = child.stdin.getWriter();
    if (this.#isQuiet) this.quiet();
    this.#over = this.#follow(child, life);
  }

  async #follow(child: Deno.ChildProcess, life: (Entry & { readonly at: number })[]): Promise<void> {
    const complaining = new Response(child.stderr).text();
    for await (const line of lines(child.stdout)) this.#take(line, life);
    this.complaints += await complaining;
    await child.status;
    await this.#input?.close().catch(() => {});
    this.#child = undefined;
    if (!this.#mayRun) return;
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    if (this.#mayRun && !this.#child) this.#run();
  }

  #take(line: string, life: (Entry & { readonly at: number })[]): void {
    const at = this.options.clock();
    let entry: Entry;
    try {
      const parsed = JSON.parse(line);
      entry = this.options.runs.kind === "tail" ? { kind: "shows", ...parsed } : parsed;
    } catch {
      return; // cut off by a kill
    }
    life.push({ ...entry, at });
    if (entry.kind === "intends") this.#nextNumber = entry.number + 1;
    if (entry.kind === "wrote") this.#written += 1;
    if (entry.kind === "accepted" || entry.kind === "refused") this.#settled += 1;
  }

  #command(): { command: string; args: string[]; env: Record<string, string> } {
    const { account, device, profile, runs } = this.options;
    if (runs.kind === "tail") {
      const { command, args } = clientCommand();
      return {
        command,
        args: [...args, "tail", "--json"],
        env: { MINI_CHAT_PROFILE: profile, NO_COLOR: "1" },
      };
    }
    const entry = join(PROJECT_FOLDER, "tests/torture/talker.ts");
    const { friends, perSecond } = runs;
    const args = [profile, account, device, friends.join(","), String(perSecond), String(this.#nextNumber)];
    return { command: Deno.execPath(), args: ["run", "-q", ...CLIENT_PERMISSIONS, entry, ...args], env: {} };
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
