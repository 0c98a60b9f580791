/**
 * A chat in the lab: the real server and two real clients in their networks, from registering to goodbye.
 * @module
 */
import { join } from "node:path";
import { CERTIFICATE_FILE, KEY_FILE } from "../../lib/net/identity.ts";
import { clientCommand, startServer, type TestServer } from "../helpers/mini_chat.ts";
import { Program } from "../helpers/program.ts";
import { RowError, Screen, type ShownLine } from "./screen.ts";
import type { LabSite } from "./sites.ts";
import { Talk } from "./talk.ts";

/** Size of the file that is sent. */
const FILE_BYTES = 10_000_000;
/** How long a file may take, in milliseconds. */
const FILE_WITHIN_MS = 60_000;
/** Port of the server in the lab; of several, of the first: the others have the next ones. */
const SERVER_PORT = 7667;
/** Connections to the database that a server may make, and some more. */
export const CONNECTIONS_PER_SERVER = 16;
/** What a client says of the way that its lines take, from the first on. */
const ROUTE =
  /^(?:Chatting with \w+|Your lines take a better way now|Switched to (?:a better|another) route|Connected to \w+ again): ([^.]+?)(?: after .+)?\.$/;
/** What a client says when there is no way any more. */
const LOST = /^Connection to \w+ lost/;
/** What a client says when the chat is over, but for a goodbye. */
const OVER = /^The chat (?:with \w+ )?is over|has left the chat|Cannot join/;

/** Two people in a chat, from their menus on. Everything ends with it, at the latest. */
export class Scene implements AsyncDisposable {
  /** The network that they are in. */
  readonly site: LabSite;
  /** The host's screen. */
  readonly ana: Screen;
  /** The joiner's screen. */
  readonly bob: Screen;
  /** What they say. */
  readonly talk: Talk;
  /** Rejects with a `RowError` when the chat is over and nobody said goodbye. */
  readonly over: Promise<never>;
  /** When bob joined, on the clock of `performance.now()`. */
  joinedAt = 0;
  readonly #folder: string;
  readonly #servers: Servers;

  private constructor(site: LabSite, folder: string, servers: Servers) {
    this.site = site;
    this.#folder = folder;
    this.#servers = servers;
    this.ana = startMenu(site, folder, "ana", servers.portFor("ana"));
    this.bob = startMenu(site, folder, "bob", servers.portFor("bob"));
    this.talk = new Talk(this.ana, this.bob);
    const { promise, reject } = Promise.withResolvers<never>();
    this.over = promise;
    this.over.catch(() => {}); // whoever waits for something else hears of it
    for (const screen of this.#screens) {
      screen.onLine(({ text }) => {
        if (OVER.test(text)) reject(new RowError(`the chat ended; ${screen.name} read: ${text}`));
      });
    }
  }

  /**
   * Starts the server, registers both and starts their clients.
   *
   * @param site The network, up.
   * @param folder An empty folder.
   * @param database Of two servers, where ana is at one and bob at the other; null for one server that both are at.
   */
  static async open(site: LabSite, folder: string, database: string | null): Promise<Scene> {
    const servers = new Servers(site, folder, database);
    try {
      await servers.start();
      await Promise.all(
        (["ana", "bob"] as const).map((name) => register(site, folder, name, servers.inviteLinkFor(name))),
      );
      return new Scene(site, folder, servers);
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Lets ana host and bob join.
   *
   * @param hostFlags Flags of the `host` command.
   * @returns Seconds from joining to bob's first line on ana's screen.
   */
  async link(hostFlags = ""): Promise<number> {
    const { ana, bob } = this;
    await Promise.all(this.#screens.map((screen) => screen.waitFor(/No new messages/)));
    await ana.type(`host bob ${hostFlags}`);
    await ana.waitFor(/Listening on port/);
    await bob.waitFor(/ana invites you/);
    this.joinedAt = performance.now();
    await bob.type("join ana");
    const seconds = (await this.talk.sayFirst() - this.joinedAt) / 1000;
    const [ours, theirs] = await Promise.all(this.#screens.map(async (screen) => {
      return (await screen.waitFor(/Code: (\d{3} \d{3} \d{3})/)).match[1];
    }));
    if (ours !== theirs) throw new RowError(`the two codes differ: ${ours} at ana's, ${theirs} at bob's`);
    return seconds;
  }

  /** The routes that bob's lines took, oldest first, and when each was told. */
  get routes(): ShownLine[] {
    return this.bob.lines.flatMap(({ text, at }) => {
      const route = ROUTE.exec(text)?.[1];
      return route === undefined ? [] : [{ text: route, at }];
    });
  }

  /** Waits until bob's lines take one of these routes. */
  async waitForRoute(routes: readonly string[], withinMs: number): Promise<void> {
    const isThere = () => routes.includes(this.routes.at(-1)?.text ?? "");
    await this.bob.waitUntil(`the route ${routes.join(" or ")}`, isThere, withinMs);
  }

  /** How often a screen said that the connection was lost. */
  get losses(): number {
    return Math.max(...this.#screens.map(({ lines }) => lines.filter(({ text }) => LOST.test(text)).length));
  }

  /** Stops the server, or all of them, and starts it again on the same data after a while. */
  async restartServer(awayMs: number): Promise<void> {
    await this.#servers.stop();
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    await this.#servers.start();
  }

  /** Lets ana offer a file, and bob say yes; returns when he did, and its bytes. */
  async beginFile(): Promise<{ acceptedAt: number; bytes: Uint8Array }> {
    const bytes = new Uint8Array(FILE_BYTES);
    for (let start = 0; start < bytes.length; start += 65_536) {
      crypto.getRandomValues(bytes.subarray(start, start + 65_536));
    }
    const path = join(this.#folder, "photos.tar");
    await Deno.writeFile(path, bytes);
    await this.ana.type(`/send ${path}`);
    await this.bob.waitFor(/ana wants to send you photos\.tar/);
    await this.bob.type("/accept");
    return { acceptedAt: performance.now(), bytes };
  }

  /** Sends a file from ana to bob; returns the seconds from saying yes to its checked copy. */
  async sendFile(): Promise<number> {
    const { acceptedAt, bytes } = await this.beginFile();
    const { match: [, saved = ""], at } = await this.bob.waitFor(
      /photos\.tar .* is here; its SHA-256 is right: (.+)/,
      { withinMs: FILE_WITHIN_MS },
    );
    const received = await Deno.readFile(saved);
    if (received.length !== bytes.length || received.some((byte, index) => byte !== bytes[index])) {
      throw new RowError("the file that came over is another one");
    }
    await this.ana.waitFor(/bob has photos\.tar/);
    return (at - acceptedAt) / 1000;
  }

  /** Lets bob say goodbye, and both leave. */
  async part(): Promise<void> {
    await this.bob.type("bye");
    await Promise.all([this.bob.waitFor(/You said goodbye/), this.ana.waitFor(/bob said goodbye/)]);
    await Promise.all(this.#screens.map(async (screen) => {
      await screen.type("7");
      const { code } = await screen.program.waitForExit();
      if (code !== 0) throw new RowError(`${screen.name}'s client ended with ${code}`);
    }));
  }

  /** All that both screens showed since `join` but for the talk, with seconds, for a failure. */
  report(): string {
    const isTalk = /(^|: )line \d+|^✓ \w+ has it\.$/;
    const isNews = ({ text, at }: ShownLine) => at >= this.joinedAt && text !== "" && !isTalk.test(text);
    return this.#screens.flatMap(({ name, lines }) => lines.filter(isNews).map((line) => ({ name, ...line })))
      .sort((one, other) => one.at - other.at)
      .map(({ name, text, at }) =>
        `${((at - this.joinedAt) / 1000).toFixed(1).padStart(7)} ${name} | ${text}`
      )
      .join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.talk.pause();
    for (const { program } of this.#screens) await program[Symbol.asyncDispose]();
    await this.#servers[Symbol.asyncDispose]();
  }

  get #screens(): readonly [Screen, Screen] {
    return [this.ana, this.bob];
  }
}

/** The server of a site; or two of one community, on the same machine. */
class Servers implements AsyncDisposable {
  readonly #site: LabSite;
  readonly #folder: string;
  readonly #database: string | null;
  #running: TestServer[] = [];

  constructor(site: LabSite, folder: string, database: string | null) {
    this.#site = site;
    this.#folder = folder;
    this.#database = database;
  }

  /** Link by which a person registers. */
  inviteLinkFor(name: "ana" | "bob"): string {
    return this.#running[this.portFor(name) - SERVER_PORT]!.inviteLink;
  }

  /** Port of the server that a person is at. */
  portFor(name: "ana" | "bob"): number {
    return name === "bob" && this.#database !== null ? SERVER_PORT + 1 : SERVER_PORT;
  }

  async start(): Promise<void> {
    this.#running.push(await this.#startOne("server", SERVER_PORT));
    if (this.#database === null) return;
    const [first, second] = [join(this.#folder, "server"), join(this.#folder, "server2")];
    await Deno.mkdir(second, { recursive: true });
    for (const file of [KEY_FILE, CERTIFICATE_FILE]) {
      await Deno.copyFile(join(first, file), join(second, file));
    }
    this.#running.push(await this.#startOne("server2", SERVER_PORT + 1));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((server) => server.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#running) await server[Symbol.asyncDispose]();
  }

  async #startOne(data: string, port: number): Promise<TestServer> {
    const { serverAddress: host, network, server } = this.#site;
    const database = this.#database;
    return await startServer({
      data: join(this.#folder, data),
      host,
      port,
      args: ["--registration", "open", ...(database ? ["--relay-address", formatHost(host, port)] : [])],
      wrapper: network.wrapperFor(server),
      ...(database ? { env: { MINI_CHAT_DATABASE: database } } : {}),
    });
  }
}

async function register(
  site: LabSite,
  folder: string,
  name: "ana" | "bob",
  inviteLink: string,
): Promise<void> {
  const password = join(folder, `${name}.password`);
  await Deno.writeTextFile(password, `${name}'s password`);
  await using program = start(site, folder, name, [
    "--password-command",
    `cat ${password}`,
    "register",
    inviteLink,
    name,
  ]);
  const { code } = await program.waitForExit();
  if (code !== 0) throw new RowError(`${name} could not register:\n${program.transcript}`);
}

function startMenu(site: LabSite, folder: string, name: "ana" | "bob", port: number): Screen {
  return new Screen(name, start(site, folder, name, [formatHost(site.serverAddress, port)]));
}

function start(site: LabSite, folder: string, name: "ana" | "bob", args: readonly string[]): Program {
  const { command, args: first } = clientCommand();
  const home = join(folder, name);
  const [outer = "", ...outerArgs] = site.network.wrapperFor(site[name]);
  return new Program(outer, [...outerArgs, command, ...first, "--profile", join(home, "profile"), ...args], {
    name,
    env: { XDG_DOWNLOAD_DIR: join(home, "downloads") },
  });
}

function formatHost(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
