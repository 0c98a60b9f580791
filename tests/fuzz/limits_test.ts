import assert from "node:assert/strict";
import {
  MAX_ESCAPED_TEXT_UNITS,
  MAX_FRAME_BYTES,
  MAX_NAME_CHARS,
  MAX_TEXT_BYTES,
} from "../../lib/protocol/limits.ts";
import { Relay } from "../../lib/server/relay/relay.ts";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import { addMessages, addPeople, openFolder, type Person } from "../helpers/population.ts";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import { openTcpPair } from "../helpers/socket_pair.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { Wire } from "../helpers/wire.ts";

/** A server with some people in it, who can sign in by token. */
async function startWith(people: number, ...args: string[]) {
  const folder = tempFolder();
  const who = await addPeople(folder.path, "p", people);
  const server = await startServer({ data: folder.path, args });
  return {
    server,
    people: who,
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

async function signIn(server: TestServer, { token }: Person): Promise<Wire> {
  const wire = await Wire.greet(server.port);
  await wire.ask("resume", { token });
  return wire;
}

function message(to: string, text = "hello") {
  return { id: crypto.randomUUID(), to, text };
}

/** `result`, or the code of the refusal. */
async function outcome(wire: Wire, method: string, params: unknown): Promise<string> {
  const { error } = await wire.request(method, params);
  return error?.data.code ?? "result";
}

Deno.test("limits hold at one less, at the limit and at one more: frame, text, name, open invitations", async (test) => {
  await using context = await startWith(2, "--sends-per-second", "1000");
  const { server, people } = context;
  const [ana, bob] = people as [Person, Person];
  await using wire = await signIn(server, ana);

  await test.step("frame", async () => {
    const ping = (frameBytes: number) => {
      const start = '{"jsonrpc":"2.0","id":"f","method":"ping","a":"';
      return `${start}${"x".repeat(frameBytes - start.length - 3)}"}\n`;
    };
    for (const frameBytes of [MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES]) {
      wire.send(ping(frameBytes));
      assert.ok((await wire.next(({ id }) => id === "f")).result, `${frameBytes}`);
    }
    await using other = await Wire.greet(server.port);
    other.send(ping(MAX_FRAME_BYTES + 1));
    const { error } = await other.next(({ id }) => id === null) as { error: { data: { code: string } } };
    assert.equal(error.data.code, "too_large");
    await other.closed;
  });

  await test.step("text, in bytes and escaped", async () => {
    for (
      const [text, expected] of [
        ["x".repeat(MAX_TEXT_BYTES - 1), "result"],
        ["x".repeat(MAX_TEXT_BYTES), "result"],
        ["x".repeat(MAX_TEXT_BYTES + 1), "too_large"],
        ["й".repeat(MAX_TEXT_BYTES / 2), "result"],
        ["й".repeat(MAX_TEXT_BYTES / 2) + "x", "too_large"],
        ["", "invalid"],
        // Six units for each, two for the quotes.
        ["\u0001".repeat(Math.floor((MAX_ESCAPED_TEXT_UNITS - 2) / 6)), "result"],
        ["\u0001".repeat(Math.floor((MAX_ESCAPED_TEXT_UNITS - 2) / 6) + 1), "too_large"],
      ] as const
    ) {
      assert.equal(await outcome(wire, "send_message", message(bob.name, text)), expected, `${text.length}`);
    }
  });

  await test.step("name", async () => {
    for (
      const [length, expected] of [
        [MAX_NAME_CHARS - 1, "not_found"],
        [MAX_NAME_CHARS, "not_found"],
        [MAX_NAME_CHARS + 1, "invalid"],
        [0, "invalid"],
      ] as const
    ) {
      assert.equal(await outcome(wire, "send_message", message("n".repeat(length))), expected, `${length}`);
    }
  });

  await test.step("open invitations", async () => {
    const open = () => ({
      chatId: crypto.randomUUID(),
      to: bob.name,
      port: 1,
      places: [],
      certificate: CHAT_CERTIFICATE,
      secret: "A".repeat(22),
    });
    const first = open();
    assert.equal(await outcome(wire, "open_chat", first), "result");
    for (let held = 1; held < 8; held++) assert.equal(await outcome(wire, "open_chat", open()), "result");
    assert.equal(await outcome(wire, "open_chat", open()), "rate_limited");
    await wire.ask("close_chat", { chatId: first.chatId });
    assert.equal(await outcome(wire, "open_chat", open()), "result");
    assert.equal(await outcome(wire, "open_chat", open()), "rate_limited");
  });
});

Deno.test("limits hold at one less, at the limit and at one more: connections, mailbox, failed logins", async (test) => {
  const flags = ["--max-connections-per-address", "6", "--failed-logins", "2", "--mailbox-messages", "70"];
  await using context = await startWith(3, ...flags, "--mailbox-mib", "1", "--sends-per-second", "1000");
  const { server, people } = context;
  const [ana, bob, eve] = people as [Person, Person, Person];
  await using wire = await signIn(server, ana);

  await test.step("connections from one address", async () => {
    const held: Wire[] = [];
    for (let count = 2; count <= 6; count++) held.push(await Wire.greet(server.port));
    await assert.rejects(Wire.greet(server.port));
    await wire.ask("ping", {});
    await held.pop()![Symbol.asyncDispose]();
    // The server learns of it a moment later; until then it is right to refuse.
    const again = await retry(() => Wire.greet(server.port));
    for (const each of [...held, again]) await each[Symbol.asyncDispose]();
  });

  await test.step("messages that wait in a mailbox", async () => {
    await using reader = await retry(() => signIn(server, bob));
    let sequence = 0;
    // A stranger gets half of what strangers may fill, the owner all the rest.
    for (let waiting = 1; waiting <= 18; waiting++) await wire.ask("send_message", message(bob.name));
    const last = message(bob.name);
    assert.equal(await outcome(wire, "send_message", last), "mailbox_full");
    for (let waiting = 19; waiting <= 70; waiting++) {
      sequence = (await reader.ask("send_message", message(bob.name))).sequence as number;
    }
    assert.equal(await outcome(reader, "send_message", message(bob.name)), "mailbox_full");
    await reader.ask("acknowledge", { read: sequence });
    assert.equal(await outcome(wire, "send_message", last), "result");
  });

  await test.step("bytes that wait in a mailbox", async () => {
    await using wire = await retry(() => signIn(server, eve));
    for (let waiting = 0; waiting < 63; waiting++) {
      await wire.ask("send_message", message(eve.name, "x".repeat(MAX_TEXT_BYTES)));
    }
    assert.equal(
      await outcome(wire, "send_message", message(eve.name, "x".repeat(MAX_TEXT_BYTES - 1))),
      "result",
    );
    assert.equal(await outcome(wire, "send_message", message(eve.name, "xx")), "mailbox_full");
    assert.equal(await outcome(wire, "send_message", message(eve.name, "x")), "result");
    assert.equal(await outcome(wire, "send_message", message(eve.name, "x")), "mailbox_full");
  });

  await test.step("failed logins", async () => {
    await using guest = await retry(() => Wire.greet(server.port));
    const wrong = { name: bob.name, password: "not the right one" };
    assert.equal(await outcome(guest, "login", wrong), "unauthenticated");
    assert.equal(await outcome(guest, "login", wrong), "unauthenticated");
    const { error } = await guest.request("login", wrong);
    assert.equal(error?.data.code, "rate_limited");
    assert.ok((error.data as { retryAfterMs?: number }).retryAfterMs! > 0);
  });
});

Deno.test("sends over the rate are slowed and none is refused; another account is not", async () => {
  await using context = await startWith(3, "--sends-per-second", "20");
  const { server, people } = context;
  const [ana, bob, eve] = people as [Person, Person, Person];
  await using wire = await signIn(server, ana);
  await using other = await signIn(server, bob);
  const took = async (sends: number) => {
    const startedAt = performance.now();
    const codes = await Promise.all(
      Array.from({ length: sends }, () => outcome(wire, "send_message", message(eve.name))),
    );
    assert.deepEqual(codes.filter((code) => code !== "result"), []);
    return performance.now() - startedAt;
  };
  // A burst of two seconds' worth goes at once, and every one after it takes 50 ms.
  assert.ok(await took(40) < 1_000);
  const slowed = took(20);
  const startedAt = performance.now();
  await other.ask("send_message", message(eve.name));
  assert.ok(performance.now() - startedAt < 500);
  assert.ok(await slowed >= 500);
});

Deno.test("a client that asks for five hundred pages at once gets them all, and replies always fit a frame", async () => {
  using folder = tempFolder();
  const people = await addPeople(folder.path, "p", 210);
  const [ana, bob] = people as [Person, Person];
  await addMessages(folder.path, [bob], [ana], 300, "\u0001".repeat(6_000));
  await using store = await openFolder(folder.path);
  // The longest address there can be, for everybody: a full page of them is longer than a frame.
  await Promise.all(
    people.map(({ accountId }) => store.updateSettings(accountId, { email: `${"\u0001".repeat(250)}@x` })),
  );
  await store[Symbol.asyncDispose]();
  await using server = await startServer({ data: folder.path });
  await using wire = await signIn(server, ana);

  const ask = () => wire.request("fetch_history", { with: bob.name, limit: 200 });
  const replies = await Promise.all(Array.from({ length: 500 }, ask));
  assert.deepEqual(replies.filter(({ error }) => error), []);

  const names: string[] = [];
  let after: string | null | undefined;
  while (after !== null) {
    const page = await wire.ask("list_users", { limit: 200, ...(after ? { after } : {}) });
    names.push(...(page.users as { name: string }[]).map(({ name }) => name));
    after = page.next as string | null;
  }
  assert.deepEqual(names, people.map(({ name }) => name));
});

Deno.test("relayed bytes are limited: at the limit they pass, one more ends the relay", async () => {
  for (const [bytes, isCut] of [[999, false], [1_000, false], [1_001, true]] as const) {
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    using relay = new Relay({
      log,
      limits: { bytesPerDay: 1_000, maxMs: 60_000, perAccount: 4, total: 4 },
    });
    const [a, relayA] = await openTcpPair();
    const [b, relayB] = await openTcpPair();
    const pair = "one";
    const begin = () => Promise.resolve();
    const serving = Promise.all([
      relay.serve({ pair, accountId: 1, name: "a" }, relayA, begin),
      relay.serve({ pair, accountId: 2, name: "b" }, relayB, begin),
    ]);
    await a.write(new Uint8Array(bytes));
    if (!isCut) await a.closeWrite();
    let arrived = 0;
    const buffer = new Uint8Array(4096);
    try {
      for (let count = await b.read(buffer); count !== null; count = await b.read(buffer)) arrived += count;
    } catch {
      // Cut with bytes on their way: the system says reset.
    }
    if (!isCut) assert.equal(arrived, bytes);
    b.close();
    a.close();
    await serving;
    const again = relay.serve({ pair: "another", accountId: 1, name: "a" }, relayA, begin);
    if (bytes >= 1_000) await assert.rejects(again, { code: "rate_limited" });
    else {
      relay[Symbol.dispose]();
      await again;
    }
  }
});

/** Tries until it works; for what the server learns a moment later than the one who asks. */
async function retry<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 200;; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
