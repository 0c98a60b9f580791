import assert from "node:assert/strict";
import { connect } from "../../lib/commands/chat/connect.ts";
import { followInbox, inboxOption, printInbox } from "../../lib/commands/chat/inbox.ts";
import { ChatError, ConnectionError } from "../../lib/errors.ts";
import type { RpcConnection } from "../../lib/net/rpc_connection.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import { ChatDesk } from "../helpers/chat_desk.ts";
import {
  enterOddServer,
  knowServer,
  type OddServer,
  SIGNS_IN,
  startOddServer,
} from "../helpers/odd_server.ts";
import { waitUntil } from "../helpers/wait_until.ts";

const TEXT = { json: false, keep: false };

function refuse(code: "forbidden" | "internal"): never {
  throw new ChatError(code, `Cannot deliver: ${code} today`);
}

/** Puts messages with these sequences on the wire. */
function deliver(rpc: RpcConnection, sequences: readonly number[], from = "bob"): void {
  for (const sequence of sequences) {
    const id = `01920000-0000-7000-8000-${String(sequence).padStart(12, "0")}`;
    rpc.notify("message_received", { sequence, id, from, text: `number ${sequence}`, storedAt: 0 });
  }
}

Deno.test("inbox ends with the server's words when it does not deliver: it once waited for ever", async () => {
  for (
    const [subscribe, code, words] of [
      [() => refuse("forbidden"), "forbidden", /^Cannot fetch the messages: .*forbidden today.* try again$/],
      [() => refuse("internal"), "internal", /internal today/],
      [() => ({ upTo: "many" }), "internal", /Cannot understand the server's answer: .*tell its operator/],
    ] as const
  ) {
    await using server = await startOddServer({ ...SIGNS_IN, subscribe });
    await using desk = new ChatDesk();
    await enterOddServer(desk.app, server);
    await waitUntil("the answer is here", () => Promise.resolve(desk.app.client().undelivered !== null));
    await assert.rejects(printInbox(desk.app, TEXT, 50), (error: Error) => {
      assert.ok(error instanceof ChatError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, words);
      return true;
    });
  }
});

Deno.test("inbox prints what came, and says so, when the server has announced more than it sends", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: (_params, rpc) => {
      queueMicrotask(() => deliver(rpc, [1, 2]));
      return { upTo: 1_000_000 };
    },
    acknowledge: () => ({}),
  });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  await assert.rejects(printInbox(desk.app, TEXT, 300), (error: Error) => {
    assert.ok(error instanceof ConnectionError, String(error));
    assert.match(error.message, /^Cannot tell whether these are all messages: /);
    return true;
  });
  assert.match(desk.tty.screen.text(), /number 1[\s\S]*number 2/);
  assert.equal(desk.app.account!.records.readCursor(), 2);
});

/** Runs option 3. */
async function runOption(desk: ChatDesk): Promise<void> {
  const context = {
    terminal: desk.tty.terminal,
    signal: new AbortController().signal,
    leave: () => {},
    instead: () => false,
  };
  await inboxOption(desk.app).run("", context);
}

Deno.test("what blocked people wrote before is left out of new messages, counted, and read with them; not for programs", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: (_params, rpc) => {
      queueMicrotask(() => {
        deliver(rpc, [1, 2], "eve");
        deliver(rpc, [3]);
        deliver(rpc, [4], "eve");
      });
      return { upTo: 4 };
    },
    acknowledge: () => ({}),
    list_blocked: () => ({ names: ["eve"] }),
  });
  const shown = ["number 3", "3 messages of eve, whom you have blocked: history eve"];
  for (const way of ["menu", "text", "json", "tail"] as const) {
    await using desk = new ChatDesk();
    await enterOddServer(desk.app, server);
    if (way === "json") await printInbox(desk.app, { json: true, keep: false });
    else if (way === "text") await printInbox(desk.app, TEXT);
    else if (way === "menu") {
      await desk.app.account!.caughtUp(Infinity);
      await runOption(desk);
    } else {
      const stop = new AbortController();
      const following = followInbox(desk.app, { json: false, notify: false }, stop.signal);
      await desk.screen.sees("whom you have blocked");
      stop.abort();
      await following;
    }
    await desk.tty.terminal.flush();
    const text = desk.tty.screen.text();
    for (const words of way === "json" ? ["number 1", "number 4"] : shown) {
      assert.ok(text.includes(words), text);
    }
    assert.equal(text.includes("number 1"), way === "json", text);
    assert.equal(desk.app.account!.records.readCursor(), 4, way);
  }
});

Deno.test("the menu asks before it goes on with very many messages, and leaves unread what it has not shown", async () => {
  const sequences = Array.from({ length: 150 }, (_, index) => index + 1);
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: (_params, rpc) => {
      queueMicrotask(() => deliver(rpc, sequences));
      return { upTo: 150 };
    },
    acknowledge: () => ({}),
    list_blocked: () => ({ names: [] }),
  });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  await desk.app.account!.caughtUp(Infinity);
  const first = runOption(desk);
  await desk.screen.answers(["Show more?", "n"]);
  await first;
  await desk.screen.sees("100 messages; 3 shows the rest");
  assert.equal(desk.app.account!.records.readCursor(), 100);
  await runOption(desk);
  await desk.screen.sees("50 messages");
  assert.equal(desk.app.account!.records.readCursor(), 150);

  await using pipe = new ChatDesk({ isPipe: true });
  await enterOddServer(pipe.app, server);
  await pipe.app.account!.caughtUp(Infinity);
  pipe.tty.type("history bob\n", null);
  await runOption(pipe); // the question once took the next lines of a pipe for answers
  await pipe.screen.sees("150 messages");
  assert.equal(await pipe.tty.terminal.readLine({ prompt: "" }), "history bob");
});

Deno.test("of messages that waited, the menu shows the first ten and how many more there are; each new one after that", async () => {
  const sequences = Array.from({ length: 150 }, (_, index) => index + 1);
  let line: RpcConnection | undefined;
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: (_params, rpc) => {
      line = rpc;
      queueMicrotask(() => deliver(rpc, sequences));
      return { upTo: 150 };
    },
    acknowledge: () => ({}),
  });
  await using desk = new ChatDesk();
  const { port } = knowServer(desk.app, server);
  await connect(desk.app, `127.0.0.1:${port}`);
  await desk.screen.sees("150 new messages; 3 shows them.");
  deliver(line!, [151, 152]);
  await desk.screen.sees("number 152");
  const shown = desk.tty.screen.text().match(/number \d+|and \d+ more messages/g);
  const first = sequences.slice(0, 10).map((sequence) => `number ${sequence}`);
  assert.deepEqual(shown, [...first, "and 140 more messages", "number 151", "number 152"]);
});

Deno.test("tail and the menu tell once that messages do not arrive, and go on", async () => {
  await using server = await startOddServer({ ...SIGNS_IN, subscribe: () => refuse("forbidden") });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  const stop = new AbortController();
  const following = followInbox(desk.app, { json: false, notify: false }, stop.signal);
  await desk.screen.sees("Messages do not arrive: Cannot deliver: forbidden today. Trying again.");
  stop.abort();
  await following;
  await desk.app.leave();

  const { port } = knowServer(desk.app, server);
  await connect(desk.app, `127.0.0.1:${port}`);
  await desk.screen.sees("Your messages do not arrive: Cannot deliver: forbidden today. Trying again.");
  assert.ok(desk.app.isOnline);
});

/** A server that says nothing waits, and the line to whoever asks it first. */
async function startFloodingServer() {
  const { promise: line, resolve } = Promise.withResolvers<RpcConnection>();
  const server = await startOddServer({
    ...SIGNS_IN,
    subscribe: (_params, rpc) => {
      resolve(rpc);
      return { upTo: 0 };
    },
    acknowledge: () => ({}),
    list_chats: () => ({ chats: [] }),
  });
  return { server, line };
}

/** Connects from the menu, and leaves its prompt open. */
async function openMenu({ app, screen, tty }: ChatDesk, server: OddServer): Promise<void> {
  await connect(app, `127.0.0.1:${knowServer(app, server).port}`);
  await screen.sees("No new messages.");
  void tty.terminal.readLine({ prompt: () => app.prompt() }).catch(() => {});
}

function countOf(desk: ChatDesk, words: string): number {
  return desk.tty.screen.text().split(words).length - 1;
}

Deno.test("menu: of a flood, the first messages and invitations are announced, and how many more there are", async () => {
  const { server, line } = await startFloodingServer();
  await using _server = server;
  await using desk = new ChatDesk();
  await openMenu(desk, server);
  const rpc = await line;
  deliver(rpc, Array.from({ length: 1_000 }, (_, index) => index + 1), "eve");
  deliver(rpc, [1_001], "bob");
  await desk.screen.sees("bob: number 1001");
  await desk.screen.sees("… and 995 more messages from eve (3 reads them)");
  await desk.screen.sees("ana (1001 new)>");
  assert.equal(countOf(desk, "(3 reads it)"), 6);
  await desk.app.client().shown(1_001);
  await desk.tty.settle();
  assert.equal(countOf(desk, "more messages"), 0);
  assert.equal(countOf(desk, "ana>"), 1);

  for (let left = 50; left > 0; left--) {
    const chatId = crypto.randomUUID();
    rpc.notify("chat_invited", { chatId, from: "eve", port: 4000, openedAt: 0 });
    if (left > 1) rpc.notify("chat_closed", { chatId, by: "eve", reason: "closed" });
  }
  await desk.screen.sees("… and 45 more invitations from eve (5 lists those that are open)");
  assert.equal(countOf(desk, "eve invites you to a direct chat"), 5);
  assert.equal(countOf(desk, "The invitation of eve is over"), 5);
});

Deno.test("menu: what another program of the same profile has shown is unread no longer", async () => {
  const { server, line } = await startFloodingServer();
  await using _server = server;
  await using desk = new ChatDesk();
  await openMenu(desk, server);
  deliver(await line, [1, 2]);
  await desk.screen.sees("ana (2 new)>");
  using other = openProfile(desk.profileFolder);
  other.recordsOf(desk.app.account!.key).saveReadCursor(1);
  await desk.screen.sees("1 new)>");
  other.recordsOf(desk.app.account!.key).saveReadCursor(2);
  await runOption(desk);
  await desk.tty.settle();
  assert.match(desk.tty.screen.text(), /No new messages\.\nana>/);
});

Deno.test("news names an option only where it can be chosen, and a preview is one row", async () => {
  const { server, line } = await startFloodingServer();
  await using _server = server;
  await using desk = new ChatDesk();
  await openMenu(desk, server);
  const rpc = await line;
  await desk.tty.resize(70, 30);
  const from = "a-name-of-thirty-two-characters.";
  const rowAbout = (text: string) => desk.tty.screen.rows().find((row) => row.includes(text));
  const send = async (sequence: number) => {
    const id = `01920000-0000-7000-8000-${String(sequence).padStart(12, "0")}`;
    const text = `number ${sequence} ${"is long ".repeat(20)}`;
    rpc.notify("message_received", { sequence, id, from, text, storedAt: 0 });
    await desk.screen.sees(`number ${sequence}`);
    await desk.tty.settle();
    return rowAbout(`number ${sequence}`)!;
  };
  assert.match(await send(1), /^\* a-name-\S*: number 1.* \(3 reads it\)$/);
  {
    // As a direct chat does, in which a typed 3 is said to the friend.
    using _chat = desk.app.beforeLeaving(() => Promise.resolve());
    assert.match(await send(2), /^\* a-name-\S*: number 2.* \(in your inbox\)$/);
    rpc.notify("chat_invited", { chatId: crypto.randomUUID(), from: "eve", port: 4000, openedAt: 0 });
    await desk.screen.sees("eve invites you to a direct chat.");
    assert.equal(countOf(desk, "(5 joins)"), 0);
  }
});
