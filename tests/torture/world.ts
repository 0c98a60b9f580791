/**
 * Everything that a run tortures: a server, people with their devices, and the network and the disk between them.
 * @module
 */
import { join } from "node:path";
import type { Target } from "../bench/load.ts";
import { addDevice, addMessages, addPeople, makeProfile, type Person } from "../bench/population.ts";
import type { Random } from "../fuzz/random.ts";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import { Device } from "./device.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { FaultControl } from "./fault_shim.ts";
import type { Firewall } from "./firewall.ts";
import type { DeviceHistory } from "./history.ts";
import { Watcher } from "./watcher.ts";

/** What this machine lets a run do; each is unset where something is missing for it. */
export interface Means {
  /** Folder of a small file system of its own, for the server's data. */
  readonly smallDisk?: string;
  /** A library to load before the server, and what controls it. */
  readonly shim?: { readonly library: string; readonly control: FaultControl };
  readonly firewall?: Firewall;
}

/** People who talk to each other. */
const TALKERS = 6;

/** Messages a second that each writes. */
const PER_SECOND = 8;

/** People who only come back all at once. */
export const FLOCK = 200;

/** File descriptors that the server may have: what many systems give, enough for all, and few enough to use them up. */
export const SERVER_DESCRIPTORS = 1_024;

/** Waiting messages of the person who never reads, 16 KiB each. */
const DEAF_MESSAGES = 1_000;

/** What the server is started with. */
const SERVER_FLAGS = ["--log-level", "warning", "--max-connections-per-address", "5000"];

/** All of it. */
export class World implements AsyncDisposable {
  readonly random: Random;
  readonly means: Means;
  readonly target: Target;
  /** Folder of the server's data. */
  readonly data: string;
  readonly devices: readonly Device[];
  readonly flock: readonly Person[];
  readonly deaf: Person;
  readonly watcher: Watcher;
  /** What the server wrote to its log in all its lives. */
  log = "";
  #server: TestServer;

  private constructor(made: {
    random: Random;
    means: Means;
    target: Target;
    data: string;
    server: TestServer;
    devices: readonly Device[];
    flock: readonly Person[];
    deaf: Person;
    watcher: Watcher;
  }) {
    this.random = made.random;
    this.means = made.means;
    this.target = made.target;
    this.data = made.data;
    this.#server = made.server;
    this.devices = made.devices;
    this.flock = made.flock;
    this.deaf = made.deaf;
    this.watcher = made.watcher;
  }

  /**
   * Makes it, and starts everybody.
   *
   * @param scratch An empty folder.
   */
  static async make(scratch: string, random: Random, means: Means): Promise<World> {
    const data = means.smallDisk ?? join(scratch, "data");
    const talkers = await addPeople(data, "t", TALKERS);
    const flock = await addPeople(data, "k", FLOCK);
    const [watching, deaf] = await addPeople(data, "w", 2) as [Person, Person];
    await addMessages(data, [watching], [deaf], DEAF_MESSAGES, "x".repeat(16_384));
    const second = await Promise.all(talkers.slice(0, 3).map((person) => addDevice(data, person)));
    const server = await start(data, 0, means);
    const certificatePem = await Deno.readTextFile(join(data, "server.crt"));
    const target = { port: server.port, certificatePem };
    const names = talkers.map(({ name }) => name);
    const device = (person: Person, name: string, runs: Device["options"]["runs"]): Device => {
      const proxy = FaultProxy.listen(server.port);
      const profile = join(scratch, `profile-of-${name}`);
      makeProfile(profile, proxy.port, certificatePem, person);
      return new Device({
        account: person.name,
        device: name,
        profile,
        proxy,
        runs,
        clock: () => performance.now(),
      });
    };
    const devices = talkers.map((person, index) =>
      device(person, `${person.name}.1`, {
        kind: "talker",
        friends: names.filter((_, other) => other !== index),
        perSecond: PER_SECOND,
      })
    );
    // Three have a second device: two that only read, and one that is the real client program.
    for (const [index, person] of second.entries()) {
      const runs: Device["options"]["runs"] = index === 2
        ? { kind: "tail" }
        : { kind: "talker", friends: [], perSecond: 0 };
      devices.push(device(person, `${person.name}.2`, runs));
    }
    const watcher = new Watcher(target, watching);
    const world = new World({ random, means, target, data, server, devices, flock, deaf, watcher });
    for (const each of devices) each.start();
    return world;
  }

  /** Process id of the server. */
  get serverPid(): number {
    return this.#server.program.pid;
  }

  /** Messages that were written and are neither acknowledged nor refused. */
  get inFlight(): number {
    return this.devices.reduce((sum, device) => sum + device.inFlight, 0);
  }

  /** What every device did. */
  get histories(): DeviceHistory[] {
    return this.devices.map(({ history }) => history);
  }

  /** One of the devices. */
  anyDevice(): Device {
    return this.random.pick(this.devices);
  }

  /** Sends the server a signal. */
  signalServer(signal: Deno.Signal): void {
    this.#server.program.signal(signal);
  }

  /** Kills the server. */
  async killServer(): Promise<void> {
    await this.#server.program.kill();
    this.log += this.#server.program.stderr;
  }

  /** Starts it again, on the same port and the same data. */
  async startServer(): Promise<void> {
    this.#server = await start(this.data, this.target.port, this.means);
  }

  /** Stops the server as an operator does. */
  async stopServer(): Promise<number> {
    const code = await this.#server.stop();
    this.log += this.#server.program.stderr;
    return code;
  }

  /** Takes every fault away, and starts whoever is dead. */
  async heal(): Promise<void> {
    this.means.shim?.control.set({ fsyncMs: 0, clockAheadS: 0 });
    await this.means.firewall?.clear();
    for (const device of this.devices) {
      device.options.proxy.set({});
      device.options.proxy.dropOrphans();
      device.thaw();
      device.start();
    }
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.watcher.stop();
    await Promise.all(this.devices.map((device) => device.kill()));
    await this.#server[Symbol.asyncDispose]();
    await Promise.all(this.devices.map(({ options }) => options.proxy[Symbol.asyncDispose]()));
  }
}

function start(data: string, port: number, { shim }: Means): Promise<TestServer> {
  return startServer({
    data,
    port,
    args: SERVER_FLAGS,
    wrapper: ["sh", "-c", `ulimit -n ${SERVER_DESCRIPTORS}; exec "$@"`, "sh"],
    env: shim ? shim.control.env(shim.library) : {},
  });
}
