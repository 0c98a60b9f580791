import assert from "node:assert/strict";
import { connect } from "../../lib/commands/chat/connect.ts";
import { followInbox, printInbox } from "../../lib/commands/chat/inbox.ts";
import { ChatError, ConnectionError } from "../../lib/errors.ts";
import type { RpcConnection } from "../../lib/net/rpc_connection.ts";
import { ChatDesk } from "../helpers/chat_desk.ts";
import { enterOddServer, knowServer, SIGNS_IN, startOddServer } from "../helpers/odd_server.ts";

const TEXT = { json: false, keep: false };

function refuse(code: "forbidden" | "internal"): never {
  throw new ChatError(code, `Cannot deliver: ${code} today`);
}

/** Puts messages with these sequences on the wire. */
function deliver(rpc: RpcConnection, ...sequences: number[]): void {
  for (const sequence of sequences) {
    const id = `01920000-0000-7000-8000-${String(sequence).padStart(12, "0")}`;
    rpc.notify("message_received", { sequence, id, from: "bob", text: `number ${sequence}`, storedAt: 0 });
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
    server.cut();
  }
});

Deno.test("inbox prints what came, and says so, when the server has announced more than it sends", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: (_params, rpc) => {
      queueMicrotask(() => deliver(rpc, 1, 2));
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
  server.cut();
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
  server.cut();
  await desk.app.leave();

  const { port } = knowServer(desk.app, server);
  await connect(desk.app, `127.0.0.1:${port}`);
  await desk.screen.sees("Your messages do not arrive: Cannot deliver: forbidden today. Trying again.");
  assert.ok(desk.app.isOnline);
  server.cut();
});
