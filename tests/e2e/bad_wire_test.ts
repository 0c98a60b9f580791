/**
 * What bad input on the wire gets: a clear answer with a stable code, and nobody else notices.
 * @module
 */
import assert from "node:assert/strict";
import { connectAs, joinCodeOf, PASSWORD } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { type Frame, Wire } from "../helpers/wire.ts";

/** Bytes that are no frame or no envelope: JSON-RPC's code for the one reply that comes before the connection closes. */
const NOT_THE_PROTOCOL: readonly (readonly [what: string, bytes: string | Uint8Array, code: number])[] = [
  ["text that is not JSON", "hello?\n", -32700],
  ["an HTTP request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", -32700],
  ["half a value", '{"jsonrpc":"2.0","id":1\n', -32700],
  ["bytes that are not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d, 0x0a]), -32700],
  ["a number", "5\n", -32600],
  ["null", "null\n", -32600],
  ["a batch", '[{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}]\n', -32600],
  ["an object that is no request", "{}\n", -32600],
  ["JSON-RPC 1", '{"id":1,"method":"ping","params":{}}\n', -32600],
  ["a method that is no string", '{"jsonrpc":"2.0","id":1,"method":5,"params":{}}\n', -32600],
  ["an id that is an object", '{"jsonrpc":"2.0","id":{},"method":"ping","params":{}}\n', -32600],
  ["values nested 20,000 deep", "[".repeat(20_000) + "]".repeat(20_000) + "\n", -32600],
  ["a line of 64 KiB and one byte", " ".repeat(65_536) + "\n", -32008],
  ["a line that never ends", "x".repeat(300_000), -32008],
  ["parameters in an array", '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}\n', -32600],
  ["parameters that are null", '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}\n', -32600],
  ["an id of 65 characters", `{"jsonrpc":"2.0","id":"${"x".repeat(65)}","method":"ping"}\n`, -32600],
  [
    "an id that fills its frame",
    `{"jsonrpc":"2.0","id":"${"x".repeat(65_400)}","method":"no_such"}\n`,
    -32600,
  ],
  ["an id beyond the safe integers", '{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}\n', -32600],
];

Deno.test("what is not the protocol gets one error with id null, and ends its own connection only", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  await using witness = await connectAs(server, "witness");
  for (const [what, bytes, code] of NOT_THE_PROTOCOL) {
    await using wire = await Wire.greet(server.port);
    wire.send(bytes);
    const frame = await wire.next((frame) => "error" in frame, `the error for ${what}`);
    assert.equal(frame.id, null, what);
    assert.equal((frame.error as Frame).code, code, `${what}: ${JSON.stringify(frame)}`);
    await wire.closed;
    await witness.ask("ping", {});
  }
  {
    // No TLS at all.
    using plain = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await plain.write(new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"hello","params":{}}\n'));
    while (await plain.read(new Uint8Array(1024)).catch(() => null) !== null);
    await witness.ask("ping", {});
  }
  {
    // A caller that leaves in the middle of a frame.
    await using wire = await Wire.greet(server.port);
    wire.send('{"jsonrpc":"2.0","id":9,"method":"pi');
  }
  await witness.ask("ping", {});
});

/** A message that is right but for what a case changes. */
const MESSAGE = { id: "01920000-0000-7000-8000-000000000001", to: "witness", text: "x" };
const ACCOUNT = { name: "eve", password: "long enough" };

/** Requests that are understood and refused: before hello, before login, and when signed in. */
const REFUSED: Record<"fresh" | "greeted" | "signedIn", readonly (readonly [string, unknown, string])[]> = {
  fresh: [
    ["login", ACCOUNT, "invalid"],
    ["send_message", MESSAGE, "invalid"],
    ["hello", {}, "invalid"],
    ["hello", { protocol: "1", client: { name: "wire", version: "0" } }, "invalid"],
    ["hello", { protocol: 1, client: { name: "wire", version: "0" }, more: 1 }, "invalid"],
    ["hello", { protocol: 99, client: { name: "wire", version: "0" } }, "unsupported_version"],
    ["hello", { protocol: 0, client: { name: "wire", version: "0" } }, "unsupported_version"],
  ],
  greeted: [
    ["list_users", {}, "unauthenticated"],
    ["send_message", MESSAGE, "unauthenticated"],
    ["subscribe", {}, "unauthenticated"],
    ["no_such_method", {}, "invalid"],
    ["__proto__", {}, "invalid"],
    ["constructor", {}, "invalid"],
    ["login", {}, "invalid"],
    ["login", { name: "eve" }, "invalid"],
    ["login", { name: 5, password: "long enough" }, "invalid"],
    ["login", { ...ACCOUNT, admin: true }, "invalid"],
    ["login", { name: "nobody", password: "long enough" }, "unauthenticated"],
    ["login", { name: "witness", password: "not the password" }, "unauthenticated"],
    ["resume", { token: "no such token" }, "unauthenticated"],
    ["register", ACCOUNT, "forbidden"], // no join code
    ["register", { ...ACCOUNT, joinCode: "wrong" }, "forbidden"],
    ["register", { ...ACCOUNT, name: "two words" }, "invalid"],
    ["register", { ...ACCOUNT, name: "Capital" }, "invalid"],
    ["register", { ...ACCOUNT, name: "smile😀" }, "invalid"],
    ["register", { ...ACCOUNT, name: "\u001b[31mred" }, "invalid"],
    ["register", { ...ACCOUNT, name: "" }, "invalid"],
    ["register", { ...ACCOUNT, name: "x".repeat(33) }, "invalid"],
    ["register", { ...ACCOUNT, password: "short" }, "invalid"],
    ["register", { ...ACCOUNT, password: "x".repeat(257) }, "invalid"],
  ],
  signedIn: [
    ["login", { name: "witness", password: PASSWORD }, "conflict"],
    ["hello", { protocol: 1, client: { name: "wire", version: "0" } }, "conflict"],
    ["ping", { more: 1 }, "invalid"],
    ["send_message", {}, "invalid"],
    ["send_message", { ...MESSAGE, text: "" }, "invalid"],
    ["send_message", { ...MESSAGE, text: 5 }, "invalid"],
    ["send_message", { ...MESSAGE, text: null }, "invalid"],
    ["send_message", { ...MESSAGE, text: "lone \ud800 surrogate" }, "invalid"],
    ["send_message", { ...MESSAGE, text: "x".repeat(16_385) }, "too_large"],
    ["send_message", { ...MESSAGE, text: "я".repeat(8_193) }, "too_large"],
    ["send_message", { ...MESSAGE, id: "not a uuid" }, "invalid"],
    ["send_message", { ...MESSAGE, to: "nobody" }, "not_found"],
    ["send_message", { ...MESSAGE, to: ["witness"] }, "invalid"],
    ["send_message", { ...MESSAGE, more: 1 }, "invalid"],
    ["subscribe", { after: -1 }, "invalid"],
    ["subscribe", { after: 1.5 }, "invalid"],
    ["subscribe", { after: 1e300 }, "invalid"],
    ["acknowledge", { read: "all" }, "invalid"],
    ["fetch_history", { with: "nobody" }, "not_found"],
    ["fetch_history", { with: "witness", limit: 0 }, "invalid"],
    ["fetch_history", { with: "witness", limit: 1e9 }, "invalid"],
    ["list_users", { limit: "many" }, "invalid"],
    ["set_presence", { presence: "offline" }, "invalid"],
    ["block_user", { name: "nobody" }, "not_found"],
    ["update_settings", { email: "not an address\n" }, "invalid"],
    ["change_password", { oldPassword: "wrong one", newPassword: "long enough" }, "unauthenticated"],
  ],
};

Deno.test("a request that breaks a rule is refused with its code, and its session goes on", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  await using witness = await connectAs(server, "witness");
  await using fresh = await Wire.connect(server.port);
  await using greeted = await Wire.greet(server.port);
  await using signedIn = await connectAs(server, "ana");
  const wires = { fresh, greeted, signedIn };
  for (const stage of ["fresh", "greeted", "signedIn"] as const) {
    for (const [method, params, code] of REFUSED[stage]) {
      const what = `${stage}: ${method} ${JSON.stringify(params).slice(0, 80)}`;
      assert.equal(await wires[stage].refused(method, params), code, what);
    }
  }
  // Each of them can still do what is right.
  await fresh.ask("hello", { protocol: 1, client: { name: "wire", version: "0" } });
  await greeted.ask("register", { ...ACCOUNT, joinCode: joinCodeOf(server.inviteLink) });
  await signedIn.ask("send_message", { ...MESSAGE, text: "я".repeat(8_192) });
  await witness.ask("subscribe", {});
  assert.equal((await witness.event("message_received")).text, "я".repeat(8_192));
});

Deno.test("the same message id with another text or recipient is a conflict, and nothing is stored", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  await using witness = await connectAs(server, "witness");
  const first = await witness.ask("send_message", MESSAGE);
  assert.equal(await witness.refused("send_message", { ...MESSAGE, text: "another" }), "conflict");
  const again = await witness.ask("send_message", MESSAGE);
  assert.deepEqual(again, { ...first, duplicate: true });
  assert.equal((await witness.ask("subscribe", {})).upTo, first.sequence);
});

Deno.test("failed logins are throttled with a time to come back, and others log in meanwhile", async () => {
  using folder = tempFolder();
  const args = ["--failed-logins", "3"];
  await using server = await startServer({ data: folder.path, args });
  await using _ana = await connectAs(server, "ana");
  await using _bob = await connectAs(server, "bob");
  await using wire = await Wire.greet(server.port);
  const wrong = { name: "ana", password: "not the password" };
  for (let attempt = 0; attempt < 3; attempt++) {
    assert.equal(await wire.refused("login", wrong), "unauthenticated");
  }
  const { error } = await wire.request("login", wrong);
  assert.equal(error?.data.code, "rate_limited");
  assert.ok((error.data as { retryAfterMs?: number }).retryAfterMs! > 0);
  await wire.ask("login", { name: "bob", password: PASSWORD });
});
