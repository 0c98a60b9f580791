/**
 * `login_per_s`, `idle_kib` and `start_ms`: what it costs to come, to stay, and to begin.
 * @module
 */
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { clientCommand, serverCommand } from "../helpers/mini_chat.ts";
import { freePort } from "../helpers/ports.ts";
import { runProgram } from "../helpers/program.ts";
import { fetchBaseExecutable, whyNoBaseExecutable } from "../../build/denort.ts";
import { startBenchServer } from "./bench_server.ts";
import type { BenchContext } from "./context.ts";
import { hashesPerSecond, startRawServer } from "./limits.ts";
import { LoadConnection, openAll, type Target } from "./load.ts";
import { addPeople, PASSWORD, type Person } from "../helpers/population.ts";
import { residentKib } from "./proc.ts";
import { median } from "./report.ts";

/** Logins by token, and handshakes, at once: enough to keep both cores busy. */
const TOKEN_LANES = 64;

/** Logins by password at once: more than the server hashes, so that it never waits for one. */
const PASSWORD_LANES = 4;

const UNTIL_SHOWN = fileURLToPath(new URL("../python/until_shown.py", import.meta.url));

/** Once this is on the screen, all of the menu is. */
const LAST_OF_MENU = "help [COMMAND]";

/** Memory of one idle connection above the raw one that is allowed, in KiB. */
const IDLE_EXTRA_KIB = 14;

/** `login_per_s.password` and `.token`. */
export async function measureLogins(context: BenchContext): Promise<void> {
  const { report, durationMs, rounds, isQuick } = context;
  const folder = await context.newFolder();
  const people = await addPeople(folder, "p", 200);
  await using server = await startBenchServer(folder);
  await using raw = await startRawServer(await context.newFolder());
  const hashes = isQuick ? 4 : 20;
  for (let round = 0; round < rounds; round++) {
    report.add("limit.scrypt", "/s", await hashesPerSecond(hashes));
    report.add("login_per_s.password", "/s", await passwordLogins(server.target, people, hashes), {
      target: { of: "limit.scrypt", must: "be at least", factor: 0.8 },
    });
    const handshakes = await repeat(
      TOKEN_LANES,
      durationMs,
      async () => (await LoadConnection.open(raw.target)).close(),
    );
    report.add("limit.tls_handshakes", "/s", handshakes);
    let turn = 0;
    const logins = await repeat(TOKEN_LANES, durationMs, async () => {
      (await LoadConnection.signIn(server.target, people[turn++ % people.length]!)).close();
    });
    report.add("login_per_s.token", "/s", logins, {
      target: { of: "limit.tls_handshakes", must: "be at least", factor: 0.5 },
    });
  }
}

async function passwordLogins(target: Target, people: readonly Person[], amount: number): Promise<number> {
  let begun = 0;
  const lane = async () => {
    for (let index = begun++; index < amount; index = begun++) {
      const { name, deviceId } = people[index % people.length]!;
      const connection = await LoadConnection.open(target);
      await connection.ask("hello", { protocol: 1, client: { name: "bench", version: "0" } });
      // A device of one's own: logging in by password gives it a new token.
      const login = { name, password: PASSWORD, deviceName: deviceId.slice(0, 8) };
      await connection.ask("login", login);
      connection.close();
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: PASSWORD_LANES }, lane));
  return amount / (performance.now() - startedAt) * 1000;
}

/** Does something over and over on some lanes; how often a second. */
async function repeat(lanes: number, durationMs: number, act: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  const lane = async () => {
    while (performance.now() - startedAt < durationMs) {
      await act();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return done / (performance.now() - startedAt) * 1000;
}

/** `idle_kib`: memory of each signed-in connection that says nothing. */
export async function measureIdle(context: BenchContext): Promise<void> {
  const { report, isQuick } = context;
  const amount = isQuick ? 1_000 : 5_000;
  const folder = await context.newFolder();
  const people = await addPeople(folder, "p", amount + WARM);
  await using raw = await startRawServer(await context.newFolder());
  const open = () => LoadConnection.open(raw.target);
  report.add("limit.tls_idle_kib", "KiB", await idleKib(raw.pid, people, open));
  await using server = await startBenchServer(folder);
  const signIn = async (person: Person) => {
    const connection = await LoadConnection.signIn(server.target, person);
    await connection.ask("subscribe", {});
    return connection;
  };
  report.add("idle_kib", "KiB", await idleKib(server.pid, people, signIn), {
    target: { of: "limit.tls_idle_kib", must: "be at most", factor: 1, plus: IDLE_EXTRA_KIB },
    note: `${amount} connections, signed in and subscribed`,
  });
}

/** Connections that are there before the counting begins, so that code and caches are not counted. */
const WARM = 200;

/** How long memory may settle before it is read, in milliseconds. */
const SETTLE_MS = 1_500;

async function idleKib(
  pid: number,
  people: readonly Person[],
  open: (person: Person) => Promise<LoadConnection>,
): Promise<number> {
  const warm = await openAll(people.slice(0, WARM), open);
  await pause(SETTLE_MS);
  const before = await residentKib(pid);
  const connections = await openAll(people.slice(WARM), open);
  await pause(SETTLE_MS);
  const after = await residentKib(pid);
  for (const connection of [...warm, ...connections]) connection.close();
  return (after - before) / connections.length;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * `start_ms`: from the start of a program until it is of use, next to a compiled program that does nothing: the client until
 * `--version` is out, the client until its menu is on the screen, the server until it accepts.
 */
export async function measureStart(context: BenchContext): Promise<void> {
  const { report, isQuick } = context;
  const empty = await emptyProgram(context);
  const client = await freshCopy(clientCommand(), context);
  const server = await freshCopy(serverCommand(), context);
  const folder = await context.newFolder();
  // Makes the key: a server does that once in its life.
  await (await startBenchServer(folder)).stop();
  const times = isQuick ? 5 : 15;
  const samples = {
    empty: [] as number[],
    client: [] as number[],
    server: [] as number[],
    menu: [] as number[],
  };
  for (let time = 0; time < times; time++) {
    samples.empty.push(await untilOutput(empty.command, empty.args));
    samples.client.push(await untilOutput(client.command, [...client.args, "--version"]));
    samples.server.push(await untilAccepting(server.command, [...server.args, "--data", folder]));
    samples.menu.push(await untilMenu(client.command, client.args, await context.newFolder()));
  }
  report.add("limit.start_empty_ms", "ms", median(samples.empty));
  const note = empty.isCompiled ? "" : "from source, not compiled";
  for (const [what, factor] of [["client", 1.5], ["menu", 2.5], ["server", 2]] as const) {
    const target = { of: "limit.start_empty_ms", must: "be at most", factor } as const;
    report.add(`start_ms.${what}`, "ms", median(samples[what]), { target, note });
  }
}

/** The same kind of program as the ones that are measured: compiled, or run from source. */
async function emptyProgram(
  context: BenchContext,
): Promise<{ command: string; args: string[]; isCompiled: boolean }> {
  const folder = await context.newFolder();
  const entry = join(folder, "empty.ts");
  await Deno.writeTextFile(entry, 'console.log("0");\n');
  if (!Deno.env.has("MINI_CHAT_TEST_DIST")) {
    return { command: Deno.execPath(), args: ["run", "-q", entry], isCompiled: false };
  }
  const env: Record<string, string> = whyNoBaseExecutable() === undefined
    ? { DENORT_BIN: await fetchBaseExecutable() }
    : {};
  const path = join(folder, "empty");
  const args = ["compile", "--quiet", "--no-check", "--no-code-cache", "--output", path, entry];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, env }).output();
  if (!success) throw new Error(`Cannot compile an empty program:\n${new TextDecoder().decode(stderr)}`);
  return { command: path, args: [], isCompiled: true };
}

/**
 * An executable as new on the disk as the empty one: what the system holds of an old file in memory is in smaller pieces, and then
 * each start takes up to 3 ms more.
 */
async function freshCopy<Start extends { readonly command: string }>(
  program: Start,
  context: BenchContext,
): Promise<Start> {
  if (!Deno.env.has("MINI_CHAT_TEST_DIST")) return program;
  const command = join(await context.newFolder(), basename(program.command));
  await Deno.copyFile(program.command, command);
  return { ...program, command };
}

async function untilOutput(command: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  await using child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  })
    .spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const takenMs = performance.now() - startedAt;
  await reader.cancel();
  await child.status;
  return takenMs;
}

/** On a terminal, for somebody who has not used it yet; with python3. */
async function untilMenu(command: string, args: readonly string[], profile: string): Promise<number> {
  const env = { MINI_CHAT_PROFILE: profile, TERM: "xterm-256color" };
  const { code, stdout, stderr } = await runProgram(
    "python3",
    [UNTIL_SHOWN, LAST_OF_MENU, command, ...args],
    { env },
  );
  if (code !== 0) throw new Error(`The menu was not shown:\n${stderr}`);
  return Number(stdout);
}

async function untilAccepting(command: string, args: readonly string[]): Promise<number> {
  const port = freePort();
  const flags = ["--host", "127.0.0.1", "--port", String(port), "--log-level", "error"];
  const startedAt = performance.now();
  await using child = new Deno.Command(command, {
    args: [...args, ...flags],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  })
    .spawn();
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      break;
    } catch {
      await pause(1);
    }
    if (performance.now() - startedAt > 20_000) throw new Error("The server does not accept after 20 s");
  }
  const takenMs = performance.now() - startedAt;
  child.kill("SIGTERM");
  await child.status;
  return takenMs;
}
