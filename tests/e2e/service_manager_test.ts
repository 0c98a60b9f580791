/**
 * What the service manager that started a server hears of it: a receiver of its own stands in for systemd, which
 * `tests/release/debian_test.ts` uses.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Program } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** Prints each datagram as one line, its own lines joined by " | ", after a first line that says that it listens. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0", 1) if sys.argv[1][0] == "@" else sys.argv[1])
print("listening", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " | "), flush=True)
`;

const WATCHDOG_USEC = "200000";

async function startManager(socket: string): Promise<Program> {
  const manager = new Program("python3", ["-c", RECEIVER, socket], { name: "manager" });
  await manager.waitForLine(/^listening$/);
  return manager;
}

function startUnder(socket: string, data: string, env: Record<string, string> = {}): Promise<TestServer> {
  return startServer({ data, env: { NOTIFY_SOCKET: socket, ...env } });
}

testWith(
  ["linux", { command: "python3" }],
  "a server tells its manager that it accepts, that it is well, and that it stops",
  async () => {
    using folder = tempFolder();
    const socket = join(folder.path, "notify");
    await using manager = await startManager(socket);
    await using server = await startUnder(socket, join(folder.path, "data"), { WATCHDOG_USEC });
    await manager.waitForLine(new RegExp(`^READY=1 \\| STATUS=Serving on port ${server.port}$`));
    for (let news = 0; news < 3; news++) await manager.waitForLine(/^WATCHDOG=1$/);
    const stopped = server.stop();
    await manager.waitForLine(/^STOPPING=1 \| STATUS=Stopping$/);
    assert.equal(await stopped, 0);
    assert.doesNotMatch(server.program.stderr, /service manager/);
  },
);

testWith(
  ["linux", { command: "python3" }],
  "the manager's socket may have a name without a file, and the watch may be meant for another",
  async () => {
    using folder = tempFolder();
    const socket = `@mini-chat-test-${crypto.randomUUID()}`;
    await using manager = await startManager(socket);
    const watchdog = { WATCHDOG_USEC, WATCHDOG_PID: String(Deno.pid) };
    await using server = await startUnder(socket, join(folder.path, "data"), watchdog);
    await manager.waitForLine(/^READY=1 /);
    assert.equal(await server.stop(), 0);
    // Whatever was sent before this has arrived too.
    await manager.waitForLine(/^STOPPING=1 /);
    assert.doesNotMatch(manager.stdout, /WATCHDOG/);
  },
);

testWith(
  ["linux", { command: "python3" }],
  "the manager hears nothing from a server whose store does not answer, until it does",
  async () => {
    using folder = tempFolder();
    const socket = join(folder.path, "notify");
    await using manager = await startManager(socket);
    const entry = join(PROJECT_FOLDER, "tests/helpers/service_manager_program.ts");
    const args = [
      "run",
      "-q",
      "--allow-ffi",
      entry,
      socket,
      WATCHDOG_USEC,
    ];
    await using server = new Program(Deno.execPath(), args);
    await manager.waitForLine(/^READY=1 /);
    for (let question = 0; question < 2; question++) {
      await server.waitForLine(/^asked$/);
      assert.equal(manager.stdout.match(/WATCHDOG=1/g)?.length ?? 0, question);
      await server.writeLine("answer");
      await manager.waitForLine(/^WATCHDOG=1$/);
    }
  },
);

testWith(["linux"], "a manager that cannot be told is named in the log, and the server serves", async () => {
  using folder = tempFolder();
  await using server = await startUnder(join(folder.path, "nobody"), join(folder.path, "data"));
  assert.match(server.program.stderr, /could not tell the service manager/);
  assert.equal(await server.stop(), 0);
});
