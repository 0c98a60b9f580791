import assert from "node:assert/strict";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { UsageError } from "../../lib/errors.ts";
import { type ExportSource, exportTo } from "../../lib/export/export.ts";
import type { ExportedMessage } from "../../lib/export/schema.ts";
import { testWith } from "../helpers/needs.ts";
import { mountSmallDisk, SMALL_DISK } from "../helpers/small_disk.ts";
import { type TempFolder, tempFolder } from "../helpers/temp_folder.ts";

/** What somebody has, in memory; fails at a call of history when told to. */
class Source implements ExportSource {
  readonly account = "ana";
  readonly server = "chat.example.org:7667";
  readonly conversationsByName = new Map<string, ExportedMessage[]>();
  readonly asked: string[] = [];
  readonly ahead: number;
  failAt = Infinity;
  readonly #pageSize: number;

  constructor({ pageSize = 3, ahead = 1 } = {}) {
    this.#pageSize = pageSize;
    this.ahead = ahead;
  }

  add(name: string, count: number): void {
    const messages = Array.from({ length: count }, (_, index): ExportedMessage => ({
      sequence: index + 1,
      id: crypto.randomUUID(),
      from: index % 2 === 0 ? name : "ana",
      to: index % 2 === 0 ? "ana" : name,
      text: index === 0 ? "" : `\0 "line"\n ${index} \u{1f600}`,
      storedAt: 1_790_000_000_000 + index,
      ...(index % 2 === 0 ? {} : { state: "read" as const }),
    }));
    this.conversationsByName.set(name, messages);
  }

  about() {
    return Promise.resolve({ shareRead: true, email: null, blocked: ["eve"] });
  }

  conversations(after: string | null) {
    const names = [...this.conversationsByName.keys()].filter((name) => after === null || name > after);
    return Promise.resolve({ names: names.slice(0, 2), next: names.length > 2 ? names[1]! : null });
  }

  history(name: string, before: number | null) {
    if (this.asked.push(`${name} ${before}`) > this.failAt) {
      return Promise.reject(new Error("the connection is lost"));
    }
    const older = this.conversationsByName.get(name)!.filter(({ sequence }) =>
      sequence < (before ?? Infinity)
    );
    const messages = older.slice(-this.#pageSize);
    return Promise.resolve({ messages, next: older.length > messages.length ? messages[0]!.sequence : null });
  }

  get all(): ExportedMessage[] {
    return [...this.conversationsByName.values()].flat();
  }
}

function threePeople(ahead = 1): Source {
  const source = new Source({ ahead });
  source.add("..", 4); // a name, and no way out of the folder
  source.add("bob", 8);
  source.add("carl", 3);
  return source;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

async function linesOf(folder: TempFolder, file: string): Promise<unknown[]> {
  const text = await Deno.readTextFile(join(folder.path, "out", file));
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("an export holds every message, oldest first, and each line fits the schema beside it", async () => {
  using folder = tempFolder();
  const source = threePeople();
  const out = join(folder.path, "out");
  assert.deepEqual(await exportTo(out, source), { messages: 15, people: 3 });
  const messages = await linesOf(folder, "messages.jsonl");
  assert.deepEqual(messages, source.all);
  const people = await linesOf(folder, "people.jsonl");
  assert.deepEqual(people, [{ name: "..", messages: 4 }, { name: "bob", messages: 8 }, {
    name: "carl",
    messages: 3,
  }]);
  const account = JSON.parse(await Deno.readTextFile(join(out, "account.json")));
  assert.deepEqual([account.account, account.blocked], ["ana", ["eve"]]);

  const schema = JSON.parse(await Deno.readTextFile(join(out, "schema.json")));
  const ajv = new Ajv2020();
  const fits = ajv.compile(schema);
  for (const line of messages) assert.ok(fits(line), JSON.stringify(fits.errors));
  assert.ok(
    !fits({ ...messages[0] as object, sequence: "1" }) && !fits({ ...messages[0] as object, extra: 1 }),
  );
  const fitsPerson = ajv.compile(schema.$defs.person);
  for (const line of people) assert.ok(fitsPerson(line));
  assert.ok(ajv.compile(schema.$defs.account)(account));

  assert.deepEqual(await namesIn(folder.path), ["out"]);
  const names = await namesIn(out);
  assert.deepEqual(names, ["account.json", "messages.jsonl", "people.jsonl", "schema.json"]);
  await assert.rejects(exportTo(out, source), UsageError);
  if (Deno.build.os !== "windows") {
    assert.equal((await Deno.stat(out)).mode! & 0o777, 0o700);
    for (const name of names) assert.equal((await Deno.stat(join(out, name))).mode! & 0o777, 0o600, name);
  }
});

Deno.test("an export asks for several conversations at a time, where its source says so, and keeps their order", async () => {
  // One after the other, 5,000 conversations at a round trip of 100 ms took 8 minutes.
  using folder = tempFolder();
  const source = new Source();
  for (let index = 10; index < 30; index++) source.add(`user${index}`, index % 7);
  let asked = 0;
  let waiting: (() => void)[] = [];
  const slow: ExportSource = {
    account: source.account,
    server: source.server,
    ahead: 4,
    about: () => source.about(),
    conversations: () => Promise.resolve({ names: [...source.conversationsByName.keys()], next: null }),
    async history(name, before) {
      const page = await source.history(name, before);
      if (before !== null) return page;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      asked += 1;
      assert.ok(waiting.length <= 4);
      // Four wait at once, as long as there are so many; those who were asked last answer first.
      if (waiting.length === 4 || asked === 20) {
        for (const answer of waiting.reverse()) answer();
        waiting = [];
      }
      await promise;
      return page;
    },
  };
  assert.deepEqual(await exportTo(join(folder.path, "out"), slow), {
    messages: source.all.length,
    people: 20,
  });
  assert.deepEqual(await linesOf(folder, "messages.jsonl"), source.all);
  const people = await linesOf(folder, "people.jsonl") as { name: string }[];
  assert.deepEqual(people.map(({ name }) => name), [...source.conversationsByName.keys()]);
  assert.equal(asked, 20, "each once");
});

for (const ahead of [1, 3]) {
  Deno.test(`an export, ${ahead} at a time, that is cut off anywhere leaves no folder, and goes on where it was`, async () => {
    using folder = tempFolder();
    const out = join(folder.path, "out");
    const [whole, source] = [threePeople(), threePeople(ahead)];
    for (const each of [whole, source]) for (const name of ["dave", "erin", "fred"]) each.add(name, 7);
    await exportTo(join(folder.path, "whole"), whole);
    let calls = 0;
    for (source.failAt = ahead;; source.failAt = source.asked.length + ahead) {
      calls += 1;
      try {
        await exportTo(out, source);
        break;
      } catch (error) {
        assert.match(String(error), /the connection is lost/);
        await assert.rejects(Deno.stat(out), Deno.errors.NotFound);
      }
    }
    assert.ok(calls > 2, `${calls}`);
    assert.deepEqual(await linesOf(folder, "messages.jsonl"), source.all);
    assert.equal((await linesOf(folder, "people.jsonl")).length, 6);
    // What was written is not fetched again, but for the calls that failed or waited, and one that finds the end.
    assert.ok(source.asked.length <= whole.asked.length + (1 + ahead) * calls, `${source.asked}`);
  });
}

Deno.test("what an export had written after its last progress is cut off when it goes on", async () => {
  using folder = tempFolder();
  const out = join(folder.path, "out");
  const source = threePeople();
  source.failAt = 4; // in the second conversation
  await assert.rejects(exportTo(out, source));
  const part = join(folder.path, "out.part");
  await Deno.writeTextFile(join(part, "messages.jsonl"), '{"sequence":', { append: true });
  await Deno.writeTextFile(join(part, "progress.json.0123abcd.new"), "{");
  source.failAt = Infinity;
  await exportTo(out, source);
  assert.deepEqual(await linesOf(folder, "messages.jsonl"), source.all);
  assert.deepEqual(await namesIn(out), ["account.json", "messages.jsonl", "people.jsonl", "schema.json"]);
});

testWith(
  SMALL_DISK,
  "an export for which the disk has no room says so, and goes on once it has",
  async () => {
    using folder = tempFolder();
    using _disk = mountSmallDisk(folder.path, 128 * 1024);
    const ballast = join(folder.path, "ballast");
    await Deno.writeFile(ballast, new Uint8Array(64 * 1024));
    const source = new Source();
    for (let index = 0; index < 200; index++) source.add(`friend-${index + 1000}`, 2);
    const out = join(folder.path, "out");
    await assert.rejects(exportTo(out, source), {
      name: "UsageError",
      message:
        /^Cannot write to .*out\.part: No space left on device.*; export to the same folder again to go on$/,
    });
    await Deno.remove(ballast);
    await exportTo(out, source);
    assert.deepEqual(await linesOf(folder, "messages.jsonl"), source.all);
  },
);

Deno.test("an export waits for the disk now and then, not for each conversation", async () => {
  using folder = tempFolder();
  const source = new Source();
  for (let index = 0; index < 300; index++) source.add(`friend-${index + 1000}`, 2);
  const { prototype } = Deno.FsFile;
  const { sync } = prototype;
  let syncs = 0;
  prototype.sync = function (this: Deno.FsFile) {
    syncs += 1;
    return sync.call(this);
  };
  try {
    assert.deepEqual(await exportTo(join(folder.path, "out"), source), { messages: 600, people: 300 });
  } finally {
    prototype.sync = sync;
  }
  assert.ok(syncs < 100, `${syncs} for 300 conversations`);
});

Deno.test("an export goes on with none of another account, and not beside another program", async () => {
  using folder = tempFolder();
  const out = join(folder.path, "out");
  const source = threePeople();
  source.failAt = 1;
  await assert.rejects(exportTo(out, source));
  await assert.rejects(
    exportTo(out, Object.assign(threePeople(), { account: "bob" })),
    /it is of ana at chat.example.org/,
  );
  const underWay = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const slow = threePeople();
  const about = slow.about.bind(slow);
  slow.about = () => {
    underWay.resolve();
    return goOn.promise.then(about);
  };
  const first = exportTo(out, slow);
  await underWay.promise;
  await assert.rejects(exportTo(out, threePeople()), /another program does that now/);
  goOn.resolve();
  await first;
});
