import assert from "node:assert/strict";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { ConnectionError } from "../../lib/errors.ts";
import { askLine, type LineServerOptions, serveLines, usableSocketPath } from "../../lib/net/local_socket.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** A server that says each line backwards. */
function serve(path: string, options: Partial<LineServerOptions> = {}): Promise<AsyncDisposable> {
  const answer = (line: string) =>
    line === "fail" ? Promise.reject(new Error("a fault")) : Promise.resolve([...line].reverse().join(""));
  return serveLines({ path, answer, ...options });
}

/** Sends bytes, and resolves with all that comes before the other side hangs up. */
async function say(path: string, bytes: string | Uint8Array): Promise<string> {
  const socket = createConnection(path);
  let heard = "";
  socket.on("data", (chunk) => heard += chunk.toString());
  socket.on("error", () => {});
  socket.write(bytes);
  await ended(socket);
  return heard;
}

function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.on("close", () => resolve()));
}

testWith(
  ["unix"],
  "serveLines() answers each caller with a line, whatever the others send, and leaves nothing behind",
  async () => {
    using folder = tempFolder();
    const path = join(folder.path, "socket");
    {
      await using _server = await serve(path, { timeoutMs: 1_000, maxCallers: 4 });
      assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
      const silent = createConnection(path); // cut off when its time is up
      silent.on("error", () => {});
      const silentEnd = ended(silent);
      const hostile = await Promise.all([
        say(path, "x".repeat(64 * 1024)),
        say(path, crypto.getRandomValues(new Uint8Array(8 * 1024)).map((byte) => byte === 10 ? 11 : byte)),
        say(path, "fail\n"),
      ]);
      assert.deepEqual(hostile, ["", "", ""]);
      assert.equal(await say(path, "Привет\n and more\n"), "тевирП\n");
      await silentEnd;
      assert.equal(await askLine(path, "abc"), "cba");
    }
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await assert.rejects(askLine(path, "abc"), ConnectionError);
  },
);

testWith(
  ["unix"],
  "serveLines() hangs up on callers beyond its limit, and serves again when others have gone",
  async () => {
    using folder = tempFolder();
    const path = join(folder.path, "socket");
    await using _server = await serve(path, { maxCallers: 2 });
    const holders = [createConnection(path), createConnection(path)];
    // Both are being served once their first half of a line has been taken.
    for (const holder of holders) await new Promise<void>((resolve) => holder.write("hal", () => resolve()));
    assert.equal(await say(path, "abc\n"), "");
    for (const holder of holders) {
      holder.resume();
      holder.end("f\n");
    }
    await Promise.all(holders.map(ended));
    assert.equal(await askLine(path, "abc"), "cba");
  },
);

testWith(["unix"], "serveLines() takes the place of a socket whose process is gone", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "socket");
  await Deno.writeTextFile(path, "");
  await using _server = await serve(path);
  assert.equal(await askLine(path, "abc"), "cba");
});

testWith(
  ["unix"],
  "usableSocketPath() goes from this folder where the whole path is too long for a socket",
  () => {
    const here = Deno.cwd();
    assert.equal(usableSocketPath(join(here, "server.sock")), join(here, "server.sock"));
    const deep = join(here, "d".repeat(100));
    assert.equal(usableSocketPath(join(deep, "s")), join("d".repeat(100), "s"));
    assert.equal(usableSocketPath(join(deep, "d".repeat(20), "s")), null);
    assert.equal(usableSocketPath(`/${"é".repeat(54)}`), null, "bytes count, not characters");
  },
);
