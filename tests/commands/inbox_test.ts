import assert from "node:assert/strict";
import { connect } from "../../lib/commands/chat/connect.ts";
import { followInbox, inboxOption, printInbox } from "../../lib/commands/chat/inbox.ts";
import { ChatError, ConnectionError } from "../../lib/errors.ts";
import type { RpcConnection } from "../../lib/net/rpc_connection.ts";
import { ChatDesk } from "../helpers/chat_desk.ts";
import { enterOddServer, knowServer, SIGNS_IN, startOddServer } from "../helpers/odd_server.ts";

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
      [() => ({ upTo: "many" }), "internal", /Cannot understand the server's reply/],
    ] as const
  ) {
    await using server = await startOddServer({ ...SIGNS_IN, subscribe });
    await using desk = new ChatDesk();
    await enterOddServer(desk.app, server);
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
