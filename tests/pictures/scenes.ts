// What the pictures show: a server and two people with the real programs, in real shells.
import { join } from "node:path";
import { clientCommand, type ProgramCommand, serverCommand } from "../helpers/mini_chat.ts";
import { TestMailServer } from "../helpers/mail_server.ts";
import type { StyledRun } from "../helpers/screen_emulator.ts";
import { ShellWindow } from "./shell_window.ts";

/** The name that the server is reached by: the stage's own table of hosts has it. */
export const HOST = "chat.example.org";

/** Where it keeps its data: an empty folder of the stage's own is there. */
const SERVER_FOLDER = "/srv/mini-chat";

const PASSWORD = "correct horse battery";
const APP_PASSWORD = "abcd efgh ijkl mnop";
const ADDRESS = "ana@example.org";

/** Rows of a window, and what is written above them. */
export interface Picture {
  /** Of its files, without `-light.svg`. */
  readonly name: string;
  readonly title: string;
  readonly rows: readonly (readonly StyledRun[])[];
}

/** Width of each window. */
export const COLUMNS = 88;

/**
 * Plays everything.
 *
 * @param folder An empty one for all files of the two programs.
 * @returns The pictures, in the order in which they were taken.
 */
export async function playScenes(folder: string): Promise<Picture[]> {
  const bin = join(folder, "bin");
  await Deno.mkdir(bin);
  await writeCommand(join(bin, "mini-chat-server"), serverCommand());
  await writeCommand(join(bin, "mini-chat-client"), clientCommand());
  const open = async (name: string, home = join(folder, name)) => {
    await Deno.mkdir(home);
    const env = {
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      HOME: home,
      MINI_CHAT_PROFILE: join(home, "profile"),
      TZ: "UTC",
    };
    const window = new ShellWindow({ env, cwd: home, columns: COLUMNS, rows: 50 });
    await window.sees(/\$$/);
    return window;
  };

  const pictures: Picture[] = [];
  const take = (name: string, title: string, window: ShellWindow, from: number) => {
    pictures.push({ name, title, rows: hideChance(window.screen.styledRows().slice(from)) });
  };

  await using server = await open("server", SERVER_FOLDER);
  await server.types(`mini-chat-server --public-host ${HOST} 2>server.log`);
  await server.sees(/Stop with/);
  const [link = ""] = /mini-chat:\/\/\S+?#SHA256:[\w-]{43}/.exec(server.screen.text().replaceAll("\n", "")) ??
    [];
  take("server", "A server starts, and says whom to send what", server, 0);

  await using bob = await open("bob");
  await bob.types(`mini-chat-client '${link}'`);
  await register(bob, "bob");

  await using ana = await open("ana");
  await ana.types(`mini-chat-client '${link}'`);
  await register(ana, "ana");
  await ana.types("users");
  await ana.sees(/2 users[^]*ana>/);
  await ana.types("send bob Привет! Are you coming to the garden tonight? 🌻");
  await ana.sees(/has received your message[^]*ana>/);
  await bob.sees(/garden tonight/);
  await bob.types("inbox");
  await bob.sees(/1 message/);
  await bob.types("send ana At eight. I bring the bread");
  await ana.sees(/I bring the bread[^]*ana \(1 new\)>/);
  await ana.types("inbox");
  await ana.sees(/1 message[^]*ana>/);
  take("join", "Ana joins with an invite link, and writes to Bob", ana, 0);

  let from = ana.screen.cursor().row;
  await ana.types("host bob --port 7700");
  await ana.sees(/Listening/);
  await bob.sees(/invites you/);
  await bob.types("join ana");
  await bob.sees(/Code: /);
  await ana.sees(/Code: [^]*ana>/);
  await bob.types("Same code here, so nobody is listening in");
  await ana.sees(/nobody is listening in/);
  await ana.types("See you at eight!");
  await ana.sees(/✓(?=\s+ana>)/);
  take("chat", "A live chat, from machine to machine", ana, from);
  await ana.types("bye");
  await ana.sees(/You said goodbye[^]*ana>/);

  await using mail = await TestMailServer.start({
    security: "starttls",
    passwords: { [ADDRESS]: APP_PASSWORD.replaceAll(" ", "") },
  });
  const ca = join(folder, "ca.pem");
  await Deno.writeTextFile(ca, mail.endpoint.caPem);
  await ana.types(`email setup --ca ${ca}`);
  await ana.answers(
    [/Your e-mail address:/, ADDRESS],
    [/Name that recipients see.*:/, "Ana"],
    [/Choose 1-12:/, "Host and port"],
    [/Host of the mail server:/, "localhost"],
    [/Port.*:/, `\x15${mail.endpoint.port}`], // Ctrl+U: a port is proposed
    [/Choose 1-2 \[1\]:/, "STARTTLS"],
    [/Choose 1-3 \[1\]:/, "Password"],
    [/User name:/, ""],
    [/Choose 1-3 \[1\]:/, "Stored here"],
    [/Password:/, APP_PASSWORD],
    [/Send a test mail.*\? \[Y\/n\]/, "n"],
  );
  await ana.sees(/ana>$/);
  from = ana.screen.cursor().row;
  await ana.types("email");
  await ana.answers(
    [/To:/, "grandma@example.com"],
    [/Copies to.*:/, ""],
    [/Subject:/, "Sunflowers"],
    [/opens your editor\./, "They are taller than I am now.\rCome and see! 🌻\r."],
    [/Attach a file.*:/, ""],
    [/Send it\? \[Y\/n\]/, "y"],
  );
  await ana.sees(/Sent to[^]*ana>/);
  take("email", "An e-mail", ana, from);
  return pictures;
}

async function register(window: ShellWindow, name: string): Promise<void> {
  await window.answers(
    [/Name:/, name],
    [/Password:/, PASSWORD],
    [/Make a new account[^]*\?/, "y"],
    [/Once more:/, PASSWORD],
  );
  await window.sees(new RegExp(`Connected to[^]*${name}>`));
}

async function writeCommand(path: string, { command, args }: ProgramCommand): Promise<void> {
  const quoted = [command, ...args].map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(path, `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
}

/** What differs in each run, and what stands for it: as long as it, so that everything stays in its place. */
const CHANCE: readonly (readonly [RegExp, string])[] = [
  [/(?<=:7667\/)[\w-]{16}(?=#)/g, "h7Kq2mXv9RbT4wZc"],
  [/(?<=SHA256:)[\w-]{43}/g, "p1Vn8sLdYq3Jt6WgBf0XzKc5RmHa9EuTo2Gi7NbQeMk"],
  [/\b\d\d:\d\d\b/g, "18:30"],
  [/\b\d{3} \d{3} \d{3}\b/g, "417 902 385"],
  [/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, "5b0c2f4e-91d7-4a63-8e1f-7c20d9ab3461"],
];

/** Puts the same in the place of what chance has made: a run that shows nothing new makes the same pictures. */
function hideChance(rows: readonly StyledRun[][]): StyledRun[][] {
  // What a full row goes on with in the next one is found too.
  const isFull = (run: StyledRun) => run.column + run.columns === COLUMNS;
  const end = (run: StyledRun) => isFull(run) ? "" : "\n";
  let text = rows.flat().map((run) => run.text + end(run)).join("");
  for (const [pattern, sample] of CHANCE) text = text.replaceAll(pattern, sample);
  let at = 0;
  return rows.map((runs) =>
    runs.map((run) => {
      const start = at;
      at += run.text.length + end(run).length;
      return { ...run, text: text.slice(start, start + run.text.length) };
    })
  );
}
