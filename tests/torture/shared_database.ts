/**
 * The database that the servers of a run share: a PostgreSQL that is killed, cut off, and replaced by its standby.
 *
 * Each server reaches it at a loopback address of its own, so that one server's packets can be told from another's.
 * @module
 */
import { freePort } from "../helpers/ports.ts";
import { lookAt, PostgresCluster } from "../helpers/postgres.ts";
import { Firewall, type PacketFault } from "./firewall.ts";

/** A standby that has lost its cluster for a moment follows it again after this time at most, not after 5 s. */
const SETTINGS = { wal_retrieve_retry_interval: "100ms" };

/** A cluster with a synchronous standby. */
export class SharedDatabase implements AsyncDisposable {
  readonly #name: string;
  readonly #ports: readonly [number, number]; // both hosts that the servers know
  #primary: PostgresCluster;
  #standby: PostgresCluster;

  private constructor(name: string, primary: PostgresCluster, standby: PostgresCluster) {
    this.#name = name;
    this.#ports = [primary.port, standby.port];
    this.#primary = primary;
    this.#standby = standby;
  }

  /** Starts both, with an empty database. */
  static async start(): Promise<SharedDatabase> {
    const primary = await PostgresCluster.start({ settings: SETTINGS });
    const name = new URL(await primary.newDatabase()).pathname;
    const standby = await primary.startStandby({ settings: SETTINGS, port: freePort() });
    return new SharedDatabase(name, primary, standby);
  }

  /** URL for one of the servers, counted from 0: both hosts. */
  urlFor(server: number): string {
    const hosts = this.#ports.map((port) => `${addressFor(server)}:${port}`);
    return `postgres://postgres@${hosts.join(",")}${this.#name}`;
  }

  /** Kills the one that takes writes, and starts it again after a while. */
  async killFor(ms: number): Promise<void> {
    await this.#primary.kill();
    await new Promise((resolve) => setTimeout(resolve, ms));
    await this.#primary.restart();
  }

  /** Kills the one that takes writes for good, lets its standby take its place, and gives that one a standby. */
  async failOver(): Promise<void> {
    const lost = this.#primary;
    await lost.kill();
    await this.#standby.promote();
    this.#primary = this.#standby;
    await lost[Symbol.asyncDispose]();
    this.#standby = await this.#primary.startStandby({ settings: SETTINGS, port: lost.port });
  }

  /** Lets a fault befall all packets between it and one of the servers. */
  async cutFrom(server: number, fault: PacketFault, firewall: Firewall): Promise<void> {
    const address = addressFor(server);
    await firewall.add(fault, ...this.#ports.map((port) => ({ port, address })));
  }

  /** Lets a fault befall the packets of the connections over which the servers hear news; says how many there are. */
  async cutListeners(fault: PacketFault, firewall: Firewall): Promise<number> {
    const listening = await this.#primary.query(
      "SELECT client_port AS port FROM pg_stat_activity WHERE application_name = 'mini-chat listen'",
    ) as { port: number }[];
    await firewall.add(fault, ...listening);
    return listening.length;
  }

  /** Whether the servers' database has a table of this name. */
  async hasTable(name: string): Promise<boolean> {
    const connection = await lookAt(this.urlFor(0));
    const [row] = await connection.rows<{ there: boolean }>("SELECT to_regclass($1) IS NOT NULL AS there", [
      name,
    ]);
    await connection.close();
    return row!.there;
  }

  /** Ends both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#standby[Symbol.asyncDispose]();
    await this.#primary[Symbol.asyncDispose]();
  }
}

/** Where one of the servers calls the database. Callers of other parts come to 127.0.0.1. */
function addressFor(server: number): string {
  return `127.0.0.${10 + server}`;
}
