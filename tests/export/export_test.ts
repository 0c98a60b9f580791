import assert from "node:assert/strict";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { UsageError } from "../../lib/errors.ts";
import { type ExportSource, exportTo } from "../../lib/export/export.ts";
import type { ExportedMessage } from "../../lib/export/schema.ts";
import { type TempFolder, tempFolder } from "../helpers/temp_folder.ts";

/** What somebody has, in memory; fails at a call of history when told to. */
class Source implements ExportSource {
  readonly account = "ana";
  readonly server = "chat.example.org:7667";
  readonly conversationsByName = new Map<string, ExportedMessage[]>();
  readonly asked: string[] = [];
  failAt = Infinity;
  readonly #pageSize: number;

  constructor(pageSize = 3) {
    this.#pageSize = pageSize;
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

function threePeople(): Source {
  const source = new Source();
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

Deno.test("an export that is cut off anywhere leaves no folder, and goes on where it was", async () => {
  using folder = tempFolder();
  const out = join(folder.path, "out");
  const whole = threePeople();
  await exportTo(join(folder.path, "whole"), whole);
  const source = threePeople();
  let calls = 0;
  for (source.failAt = 1;; source.failAt = source.asked.length + 1) {
    calls += 1;
    try {
      await exportTo(out, source);
      break;
    } catch (error) {
      assert.match(String(error), /the connection is lost/);
      await assert.rejects(Deno.stat(out), Deno.errors.NotFound);
    }
  }
  assert.ok(calls > 4, `${calls}`);
  assert.deepEqual(await linesOf(folder, "messages.jsonl"), source.all);
  assert.equal((await linesOf(folder, "people.jsonl")).length, 3);
  // What was fetched is not fetched again, but for the call that failed and one that finds the end.
  assert.ok(source.asked.length <= whole.asked.length + 2 * calls, `${source.asked}`);
});

Deno.test("what an export had written after its last progress is cut off when it goes on", async () => {
  using folder = tempFolder();
  const out = join(folder.path, "out");
  const source = threePeople();
  source.failAt = 4; // in the second conversation
  await assert.rejects(exportTo(out, source));
  const half = join(folder.path, "out.part", "messages.jsonl");
  await Deno.writeTextFile(half, '{"sequence":', { append: true });
  source.failAt = Infinity;
  await exportTo(out, source);
  assert.deepEqual(await linesOf(folder, "messages.jsonl"), source.all);
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
