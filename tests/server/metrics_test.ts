import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { connectAs } from "../helpers/accounts.ts";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { occupiedPort } from "../helpers/ports.ts";
import { type Program, runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Wire } from "../helpers/wire.ts";
import { within } from "../../lib/waiting.ts";

/** A strict reader of the format, by the people of Prometheus: Debian's `python3-prometheus-client`. */
const READER = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
print(json.dumps([[f.type, s.name, s.labels, s.value] for f in read(sys.stdin.read()) for s in f.samples]))`;

type Sample = [type: string, name: string, labels: Record<string, string>, value: number];

/** A Python that has it: Debian's own, where another one comes first on PATH. */
async function pythonWithReader(): Promise<string | undefined> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    const importing = runProgram(python, ["-c", "import prometheus_client.openmetrics.parser"]);
    if (await importing.then(({ code }) => code === 0, () => false)) return python; // rejects where there is none
  }
}

async function metricsPort(program: Program): Promise<string> {
  return (/ metrics .*port=(\d+)/.exec(program.stderr) ?? await program.waitForLine(/ metrics .*port=(\d+)/))[
    1
  ]!;
}

const because = "needs python3 with prometheus_client";
const python = await pythonWithReader();
testWith(
  python === undefined ? [{ because }] : [],
  "--metrics shows figures that are true, in a format that a strict reader takes, with no name in it",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: folder.path, args: ["--metrics", "127.0.0.1:0"] });
    await using ana = await connectAs(server, "ana");
    for (let index = 0; index < 5; index++) {
      await ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "four" });
    }
    const response = await fetch(`http://127.0.0.1:${await metricsPort(server.program)}/metrics`);
    assert.match(response.headers.get("content-type")!, /^application\/openmetrics-text; version=1\.0\.0;/);
    const text = await response.text();
    const { code, stdout, stderr } = await runProgram(python!, ["-c", READER], { input: text });
    assert.equal(code, 0, stderr);
    const samples = JSON.parse(stdout) as Sample[];
    const valueOf = (name: string) => samples.find((sample) => sample[1] === `minichat_${name}`)?.[3];
    assert.deepEqual(
      ["messages_total", "people_online", "connections", "stored_messages", "stored_text_bytes"].map(valueOf),
      [5, 1, 1, 5, 20],
    );
    assert.ok(valueOf("store_commits_total")! >= 5 && valueOf("store_commit_seconds_total")! > 0);
    assert.ok(samples.length < 30, "few series");
    assert.deepEqual(samples.flatMap(([, , labels]) => Object.keys(labels)), ["version"]);
    assert.doesNotMatch(text, /\bana\b|127\.0\.0\.1/);
  },
);

Deno.test("--metrics: GET and HEAD alone, two pages alone, many and slow readers cost nobody; /healthz knows the store", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path, args: ["--metrics", "127.0.0.1:0"] });
  const port = await metricsPort(server.program);
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return [response.status, (await response.text()).length > 0];
  };
  assert.deepEqual(
    await Promise.all([
      ask("/healthz"),
      ask("/healthz", "HEAD"),
      ask("/metrics", "HEAD"),
      ask("/"),
      ask("/__proto__"),
    ]),
    [[200, true], [200, false], [200, false], [404, true], [404, true]],
  );
  assert.deepEqual(await ask("/metrics", "POST"), [405, false]);

  await using ana = await connectAs(server, "ana");
  const slow = await Promise.all(Array.from({ length: 20 }, () => Deno.connect({ port: Number(port) })));
  for (const socket of slow) {
    await socket.write(new TextEncoder().encode("GET /metrics HTTP/1.1\r\nHost: x\r\n"));
  }
  const readers = Array.from({ length: 200 }, () => ask("/metrics"));
  const startedAt = performance.now();
  await ana.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "hello" });
  assert.ok(performance.now() - startedAt < 5_000);
  assert.ok((await Promise.all(readers)).every(([status]) => status === 200));
  for (const socket of slow) socket.close();

  using holder = new DatabaseSync(join(folder.path, "mini-chat.db"));
  holder.exec("BEGIN EXCLUSIVE");
  await new Promise((resolve) => setTimeout(resolve, 1_100)); // an answer is given again for a second
  assert.deepEqual(await ask("/healthz"), [503, true]);
  holder.exec("ROLLBACK");
});

Deno.test("--metrics is refused where other machines could read it, unless that is asked for, and where the port is taken", async () => {
  using folder = tempFolder();
  using taken = occupiedPort();
  const flags = ["--data", folder.path, "--port", "0", "--log-level", "error"];
  for (const address of ["0.0.0.0:0", "192.0.2.1:9667", "[::]:9667"]) {
    const { code, stderr } = await runServer([...flags, "--metrics", address]);
    assert.equal(code, 2);
    assert.match(stderr, /^Cannot show metrics on .+ other machines may read them: .+--metrics-public\n$/);
  }
  const { code, stderr } = await runServer([...flags, "--metrics", `127.0.0.1:${taken.port}`]);
  assert.equal(code, 2);
  assert.match(stderr, /^Cannot show metrics on 127\.0\.0\.1:\d+: another program uses the port\n$/);
  await using server = await startServer({
    data: folder.path,
    args: ["--metrics", "0.0.0.0:0", "--metrics-public"],
  });
  await (await fetch(`http://127.0.0.1:${await metricsPort(server.program)}/healthz`)).text();
});

testWith(
  ["linux"],
  "a reader of metrics whom no file is left for does not end the server, and gets in later",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({
      data: folder.path,
      args: ["--metrics", "127.0.0.1:0"],
      wrapper: ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"],
    });
    const port = await metricsPort(server.program);
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 }); // each time another connection
    const read = () =>
      fetch(`http://127.0.0.1:${port}/healthz`, { client, signal: AbortSignal.timeout(1_000) })
        .then(async (response) => await response.text() === "ok\n", () => false);
    const guests: Wire[] = [];
    await waitUntil("nobody can read them", async () => {
      const guest = await within(1_000, Wire.connect(server.port).catch(() => undefined));
      if (guest) guests.push(guest);
      return !await read();
    });
    for (const guest of guests) await guest[Symbol.asyncDispose]();
    await waitUntil("they can be read again", read);
    assert.equal(await server.stop(), 0);
  },
);
