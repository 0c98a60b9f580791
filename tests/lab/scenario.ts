/**
 * One row of the lab: two people meet in a network, chat, and send a file, with the real programs.
 * @module
 */
import { join } from "node:path";
import { clientCommand, startServer } from "../helpers/mini_chat.ts";
import { Program } from "../helpers/program.ts";
import type { LabSite } from "./topologies.ts";

/** Size of the file that is sent. */
const FILE_BYTES = 10_000_000;
/** How long a relayed start may take to find its direct way. */
const BETTER_WITHIN_MS = 15_000;
/** Port of the server in the lab. */
const SERVER_PORT = 7667;

/** What was measured. */
export interface Outcome {
  /** As the joiner was told, such as `direct, punched`. */
  readonly route: string;
  /** From `join` to the first line on the host's screen, in seconds. */
  readonly firstLineSeconds: number;
  /** From saying yes to the checked file, in seconds. */
  readonly fileSeconds: number;
}

/**
 * Plays one row.
 *
 * @param site The network, up.
 * @param folder An empty folder.
 * @param options.hostFlags Flags of the `host` command.
 * @param options.isDirectPossible Whether to wait for a direct way after a relayed start.
 * @throws {Error} When anything does not go as it should; the message holds what the program said.
 */
export async function playChat(
  site: LabSite,
  folder: string,
  { hostFlags = "", isDirectPossible }: { hostFlags?: string; isDirectPossible: boolean },
): Promise<Outcome> {
  await using server = await startServer({
    data: join(folder, "server"),
    host: site.serverAddress,
    port: SERVER_PORT,
    args: ["--registration", "open"],
    wrapper: site.network.wrapperFor(site.server),
  });
  const link = server.inviteLink;
  await Promise.all([register(site, folder, "ana", link), register(site, folder, "bob", link)]);
  await using ana = startMenu(site, folder, "ana");
  await using bob = startMenu(site, folder, "bob");
  await Promise.all([ana.waitForLine(/No new messages/), bob.waitForLine(/No new messages/)]);

  await ana.writeLine(`host bob ${hostFlags}`);
  await ana.waitForLine(/Listening on port/);
  await bob.waitForLine(/ana invites you/);
  const joinedAt = performance.now();
  await bob.writeLine("join ana");
  await bob.writeLine("the first line");
  await ana.waitForLine(/^(ana> ?)?bob: the first line/);
  const firstLineSeconds = (performance.now() - joinedAt) / 1000;
  const [, firstRoute = ""] = await bob.waitForLine(/Chatting with ana: (.+?) after /);
  const [, codeAtBob] = await bob.waitForLine(/Code: (\d{3} \d{3} \d{3})/);
  if (!ana.transcript.includes(`Code: ${codeAtBob}`)) throw new Error("The two codes differ");
  const route = firstRoute === "relayed" && isDirectPossible ? await waitForBetter(bob) : firstRoute;

  const fileSeconds = await sendFile(ana, bob, folder);
  await bob.writeLine("bye");
  await Promise.all([bob.waitForLine(/You said goodbye/), ana.waitForLine(/bob said goodbye/)]);
  await Promise.all([ana, bob].map(async (program) => {
    await program.writeLine("7");
    const { code } = await program.waitForExit();
    if (code !== 0) throw new Error(`The client ended with ${code}:\n${program.transcript}`);
  }));
  return { route, firstLineSeconds, fileSeconds };
}

/** Chance decides when two punches meet; a relayed start that finds its direct way soon is as good. */
async function waitForBetter(bob: Program): Promise<string> {
  try {
    const [, route = ""] = await bob.waitForLine(
      /Your lines take a better way now: (.+)\./,
      BETTER_WITHIN_MS,
    );
    return `relayed, then ${route}`;
  } catch {
    return "relayed";
  }
}

async function sendFile(ana: Program, bob: Program, folder: string): Promise<number> {
  const bytes = new Uint8Array(FILE_BYTES);
  for (let start = 0; start < bytes.length; start += 65_536) {
    crypto.getRandomValues(bytes.subarray(start, start + 65_536));
  }
  const path = join(folder, "photos.tar");
  await Deno.writeFile(path, bytes);
  await ana.writeLine(`/send ${path}`);
  await bob.waitForLine(/ana wants to send you photos\.tar/);
  const acceptedAt = performance.now();
  await bob.writeLine("/accept");
  const [, saved = ""] = await bob.waitForLine(/photos\.tar .* is here; its SHA-256 is right: (.+)/, 60_000);
  const seconds = (performance.now() - acceptedAt) / 1000;
  const received = await Deno.readFile(saved);
  if (received.length !== bytes.length || received.some((byte, index) => byte !== bytes[index])) {
    throw new Error("The file that came over is another one");
  }
  await ana.waitForLine(/bob has photos\.tar/);
  return seconds;
}

async function register(site: LabSite, folder: string, name: "ana" | "bob", link: string): Promise<void> {
  const password = join(folder, `${name}.password`);
  await Deno.writeTextFile(password, `${name}'s password`);
  await using program = start(site, folder, name, [
    "--password-command",
    `cat ${password}`,
    "register",
    link,
    name,
  ]);
  const { code } = await program.waitForExit();
  if (code !== 0) throw new Error(`${name} could not register:\n${program.transcript}`);
}

function startMenu(site: LabSite, folder: string, name: "ana" | "bob"): Program {
  return start(site, folder, name, [formatHost(site.serverAddress)]);
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

function formatHost(address: string): string {
  return address.includes(":") ? `[${address}]:${SERVER_PORT}` : `${address}:${SERVER_PORT}`;
}
