/**
 * Everything that a run tortures: servers, people with their devices, and the network, the disk and the database between them.
 * @module
 */
import { join } from "node:path";
import type { Target } from "../bench/load.ts";
import {
  addDevice,
  addMessages,
  addPeople,
  type Home,
  makeProfile,
  type Person,
} from "../helpers/population.ts";
import type { Random } from "../fuzz/random.ts";
import { Device } from "./device.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { Firewall } from "./firewall.ts";
import type { DeviceHistory } from "./history.ts";
import { ServerProcess } from "./server_process.ts";
import { SharedDatabase } from "./shared_database.ts";
import { Watcher } from "./watcher.ts";

/** What this machine lets a run do; each is unset where something is missing for it. */
export interface Means {
  /** Folder of a small file system of its own, for a server's data. */
  readonly smallDisk?: string;
  /** A library to load before a server, see `fault_shim.ts`. */
  readonly shim?: string;
  readonly firewall?: Firewall;
  /** Another `server.ts` that serves the same database, see `next_release.ts`. */
  readonly nextRelease?: string;
}

/** People who talk to each other. */
const TALKERS = 6;

/** Messages a second that each writes. */
const PER_SECOND = 8;

/** People who only come back all at once. */
export const FLOCK = 200;

/** Waiting messages of the person who never reads, 16 KiB each. */
const DEAF_MESSAGES = 1_000;

/** All of it. */
export class World implements AsyncDisposable {
  readonly random: Random;
  readonly means: Means;
  readonly servers: readonly ServerProcess[];
  /** What the servers share; unset with one server, which has a file of its own. */
  readonly database: SharedDatabase | undefined;
  /** Where somebody whom no fault means reaches a server. */
  readonly target: Target;
  readonly devices: readonly Device[];
  readonly flock: readonly Person[];
  readonly deaf: Person;
  readonly watcher: Watcher;
  readonly #owned: AsyncDisposableStack;

  private constructor(made: {
    random: Random;
    means: Means;
    servers: readonly ServerProcess[];
    database: SharedDatabase | undefined;
    target: Target;
    devices: readonly Device[];
    flock: readonly Person[];
    deaf: Person;
    watcher: Watcher;
    owned: AsyncDisposableStack;
  }) {
    this.random = made.random;
    this.means = made.means;
    this.servers = made.servers;
    this.database = made.database;
    this.target = made.target;
    this.devices = made.devices;
    this.flock = made.flock;
    this.deaf = made.deaf;
    this.watcher = made.watcher;
    this.#owned = made.owned;
  }

  /**
   * Makes it, and starts everybody.
   *
   * @param scratch An empty folder.
   * @param amount Servers: one with a file of its own, or several on one database.
   */
  static async make(scratch: string, random: Random, means: Means, amount: number): Promise<World> {
    await using making = new AsyncDisposableStack();
    const data = means.smallDisk ?? join(scratch, "data");
    const database = amount > 1 ? making.use(await SharedDatabase.start()) : undefined;
    const home: Home = database ? { data, database: database.urlFor(0) } : data;
    const talkers = await addPeople(home, "t", TALKERS);
    const flock = await addPeople(home, "k", FLOCK);
    const [watching, deaf] = await addPeople(home, "w", 2) as [Person, Person];
    await addMessages(home, [watching], [deaf], DEAF_MESSAGES, "x".repeat(16_384));
    const second = await Promise.all(talkers.slice(0, 3).map((person) => addDevice(home, person)));
    const servers: ServerProcess[] = [];
    for (let index = 0; index < amount; index++) {
      servers.push(making.use(await startServer({ scratch, data, index, means, database })));
    }
    const { certificatePem } = servers[0]!.target;
    const ports = servers.map(({ target }) => target.port);
    const names = talkers.map(({ name }) => name);
    const device = (person: Person, name: string, runs: Device["options"]["runs"]): Device => {
      const proxy = making.use(FaultProxy.listen(...ports));
      const profile = join(scratch, `profile-of-${name}`);
      makeProfile(profile, proxy.port, certificatePem, person);
      const made = new Device({
        account: person.name,
        device: name,
        profile,
        proxy,
        runs,
        clock: () => performance.now(),
      });
      making.defer(() => made.kill());
      return made;
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
    const target = database
      ? { port: making.use(FaultProxy.listen(...ports)).port, certificatePem }
      : servers[0]!.target;
    const watcher = new Watcher(target, watching);
    making.defer(() => watcher.stop());
    for (const each of devices) each.start();
    const owned = making.move();
    return new World({ random, means, servers, database, target, devices, flock, deaf, watcher, owned });
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

  /** One of the servers. */
  anyServer(): ServerProcess {
    return this.random.pick(this.servers);
  }

  /** Takes every fault away, and starts whoever is dead. */
  async heal(): Promise<void> {
    for (const { control } of this.servers) control?.set({ fsyncMs: 0, clockAheadS: 0 });
    await this.means.firewall?.clear();
    for (const device of this.devices) {
      device.options.proxy.set({});
      device.options.proxy.dropOrphans();
      device.thaw();
      device.start();
    }
  }

  /** Ends all: people first, then servers, then the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** Starts one of the servers; all but the first get the key of the first. */
async function startServer({ scratch, data, index, means, database }: {
  scratch: string;
  data: string;
  index: number;
  means: Means;
  database: SharedDatabase | undefined;
}): Promise<ServerProcess> {
  const folder = index === 0 ? data : join(scratch, `data-${index}`);
  if (index > 0) {
    await Deno.mkdir(folder, { mode: 0o700 });
    for (const name of ["server.key", "server.crt"]) {
      await Deno.copyFile(join(data, name), join(folder, name));
    }
  }
  const controlIn = join(scratch, `control-${index}`);
  await Deno.mkdir(controlIn);
  return await ServerProcess.start({
    data: folder,
    controlIn,
    ...(means.shim === undefined ? {} : { shim: means.shim }),
    ...(database ? { database: database.urlFor(index) } : {}),
  });
}
