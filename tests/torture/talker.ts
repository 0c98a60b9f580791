/**
 * A person at one device, without a screen: writes to friends at a pace, and writes down in a journal all that happens.
 *
 * It is made of the same parts as the client program: profile, link, chat client. The journal is its standard output, one JSON
 * object a line, written at once, so that what was written is known even after a kill. `quiet` on its standard input ends
 * the writing; what waits in the outbox is still sent.
 *
 * Arguments: profile folder, account, device, friends (comma-separated), messages a second, number to begin with.
 * @module
 */
import { ChatClient } from "../../lib/client/chat_client.ts";
import { ServerLink } from "../../lib/client/server_link.ts";
import { reachServer } from "../../lib/commands/guest.ts";
import { ConnectionError } from "../../lib/errors.ts";
import { parseResult, type SignedIn } from "../../lib/protocol/requests.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import { type Entry, textOf } from "./history.ts";

const [folder = "", name = "", device = "", friendList = "", perSecond = "0", firstNumber = "0"] = Deno.args;
const friends = friendList.split(",").filter((friend) => friend !== "");
const encoder = new TextEncoder();

/** Longest pause before a new try, in milliseconds: less than people's, so that a short run sees more. */
const LONGEST_PAUSE_MS = 2_000;

using profile = openProfile(folder);
const server = profile.listServers()[0]!;
const account = { serverId: server.serverId, name };
const records = profile.recordsOf(account);
let signedIn: SignedIn;
let isQuiet = false;
let arrived = Promise.withResolvers<void>();

const link: ServerLink = new ServerLink({
  connect: (rpc, signal) => reachServer(server, profile, rpc, signal),
  authenticate: async (rpc) => {
    const token = profile.findLogin(account)!.token;
    signedIn = parseResult("resume", await rpc.request("resume", { token }));
  },
  onEvent: (method, params) => client.event(method, params),
  onState: (state) => {
    if (state.kind === "online") {
      client.signedIn(signedIn).catch((error) => {
        if (!(error instanceof ConnectionError)) throw error;
      });
    }
    if (state.kind === "stopped" && state.error) throw state.error;
  },
  onFault: complain,
  firstPauseMs: 200,
  longestPauseMs: LONGEST_PAUSE_MS,
});
const client: ChatClient = new ChatClient(link, records, {
  onMessage: () => arrived.resolve(),
  onAccepted: ({ id }, { sequence }) => journal({ kind: "accepted", id, sequence }),
  onRefused: ({ id }, { code }) => {
    journal({ kind: "refused", id, code });
    return false;
  },
  onFault: complain,
});

link.start();
await Promise.all([writeOn(), showOn(), listen()]);

/** Writes, at the pace, until it is told to be quiet; says when all of it is with the server. */
async function writeOn(): Promise<void> {
  let number = Number(firstNumber);
  while (Number(perSecond) > 0 && !isQuiet) {
    await pause(1000 / Number(perSecond) * (0.5 + Math.random()));
    const to = friends[Math.floor(Math.random() * friends.length)]!;
    journal({ kind: "intends", number, to });
    const { id } = client.send(to, textOf(device, number));
    journal({ kind: "wrote", number, to, id });
    number += 1;
  }
  while (!isQuiet || records.first() !== null) await pause(50);
  journal({ kind: "empty" });
}

/** Shows what arrives, notes it, and goes on. */
async function showOn(): Promise<void> {
  for (;;) {
    const unread = [...client.unread];
    for (const { sequence, id, from, text } of unread) journal({ kind: "shows", sequence, id, from, text });
    const last = unread.at(-1);
    if (last) {
      await client.shown(last.sequence);
      journal({ kind: "noted", sequence: last.sequence });
      continue;
    }
    await arrived.promise;
    arrived = Promise.withResolvers<void>();
  }
}

/** Hears what the harness says. */
async function listen(): Promise<void> {
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    if (text.includes("quiet")) isQuiet = true;
  }
  Deno.exit(0);
}

function journal(entry: Entry): void {
  const bytes = encoder.encode(JSON.stringify(entry) + "\n");
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}

function complain(error: unknown): void {
  Deno.stderr.writeSync(encoder.encode(`${device}: ${error instanceof Error ? error.stack : error}\n`));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
