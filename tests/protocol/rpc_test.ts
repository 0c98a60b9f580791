import assert from "node:assert/strict";
import fc from "fast-check";
import { ChatError, ERROR_CODES, ProtocolError } from "../../lib/errors.ts";
import {
  encodeFailure,
  encodeNotification,
  encodeRequest,
  encodeSuccess,
  fromRpcError,
  parseEnvelope,
  RPC_CODES,
  toRpcError,
} from "../../lib/protocol/rpc.ts";

Deno.test("parseEnvelope() tells requests, notifications, successes and failures apart", () => {
  const cases: [string, unknown][] = [
    ['{"jsonrpc":"2.0","id":1,"method":"a"}', { kind: "request", id: 1, method: "a", params: undefined }],
    ['{"jsonrpc":"2.0","id":"x","method":"a","params":{"b":1}}', {
      kind: "request",
      id: "x",
      method: "a",
      params: { b: 1 },
    }],
    ['{"jsonrpc":"2.0","id":-9007199254740991,"method":"a","params":{},"extra":1}', {
      kind: "request",
      id: -9007199254740991,
      method: "a",
      params: {},
    }],
    [`{"jsonrpc":"2.0","id":"${"👋".repeat(64)}","method":"a"}`, {
      kind: "request",
      id: "👋".repeat(64),
      method: "a",
      params: undefined,
    }],
    ['{"jsonrpc":"2.0","method":"a","params":{}}', { kind: "notification", method: "a", params: {} }],
    ['{"jsonrpc":"2.0","id":1,"result":null}', { kind: "success", id: 1, result: null }],
    ['{"jsonrpc":"2.0","id":1,"result":0,"error":null}', { kind: "success", id: 1, result: 0 }],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}', {
      kind: "failure",
      id: null,
      error: { code: -32700, message: "m" },
    }],
    [
      '{"jsonrpc":"2.0","id":2,"error":{"code":-32009,"message":"m","data":{"code":"rate_limited","retryAfterMs":5,"x":1}}}',
      {
        kind: "failure",
        id: 2,
        error: { code: -32009, message: "m", data: { code: "rate_limited", retryAfterMs: 5 } },
      },
    ],
    [
      '{"jsonrpc":"2.0","id":2,"error":{"code":-32009,"message":"m","data":{"code":"rate_limited","retryAfterMs":1e12}}}',
      {
        kind: "failure",
        id: 2,
        error: { code: -32009, message: "m", data: { code: "rate_limited", retryAfterMs: 86_400_000 } },
      },
    ],
    ['{"jsonrpc":"2.0","id":2,"error":{"code":1,"data":{"code":"from_the_future"}}}', {
      kind: "failure",
      id: 2,
      error: { code: 1, message: "", data: { code: "internal" } },
    }],
  ];
  for (const [line, envelope] of cases) assert.deepEqual(parseEnvelope(line), envelope, line);
});

Deno.test("parseEnvelope() refuses everything else, with the code JSON-RPC has for it", () => {
  const cases: [string, number][] = [
    ["", -32700],
    ["{", -32700],
    ["\ufeff{}", -32700],
    ["{'jsonrpc':'2.0'}", -32700],
    ["null", -32600],
    ["1", -32600],
    ['"text"', -32600],
    ["[]", -32600],
    ['[{"jsonrpc":"2.0","id":1,"method":"a"}]', -32600],
    ["{}", -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"a"}', -32600],
    ['{"jsonrpc":2.0,"id":1,"method":"a"}', -32600],
    ['{"id":1,"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":1}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":5}', -32600],
    ['{"jsonrpc":"2.0","id":null,"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":1.5,"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":9007199254740993,"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":true,"method":"a"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":null}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":"b"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"a","params":[]}', -32600],
    [`{"jsonrpc":"2.0","id":"${"x".repeat(65)}","method":"a"}`, -32600],
    [`{"jsonrpc":"2.0","id":"${"👋".repeat(65)}","method":"a"}`, -32600],
    ['{"jsonrpc":"2.0","result":1}', -32600],
    ['{"jsonrpc":"2.0","id":null,"result":1}', -32600],
    ['{"jsonrpc":"2.0","id":1,"error":"text"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}', -32600],
    ['{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}', -32600],
  ];
  for (const [line, code] of cases) {
    assert.throws(() => parseEnvelope(line), (error: Error) => {
      assert.ok(error instanceof ProtocolError, line);
      assert.deepEqual([error.rpcCode, error.code], [code, "invalid"], line);
      assert.ok(error.message.length < 200, "repeats nothing of what was sent");
      return true;
    });
  }
});

Deno.test("parseEnvelope() throws nothing but ProtocolError, whatever it is given", () => {
  const key = fc.constantFrom("jsonrpc", "id", "method", "params", "result", "error", "__proto__", "x");
  const value = fc.oneof(fc.constant("2.0"), fc.jsonValue({ maxDepth: 2 }));
  const line = fc.oneof(fc.string(), fc.dictionary(key, value).map((object) => JSON.stringify(object)));
  fc.assert(
    fc.property(line, (text) => {
      try {
        parseEnvelope(text);
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("encoding and parsing are inverse", () => {
  const id = fc.oneof(fc.string({ maxLength: 64 }), fc.maxSafeInteger());
  const params = fc.dictionary(fc.string(), fc.jsonValue()).map((object) =>
    JSON.parse(JSON.stringify(object))
  );
  fc.assert(fc.property(id, fc.string(), params, (id, method, params) => {
    const parse = (frame: string) => parseEnvelope(frame.slice(0, -1));
    assert.deepEqual(parse(encodeRequest(id, method, params)), { kind: "request", id, method, params });
    assert.deepEqual(parse(encodeNotification(method, params)), { kind: "notification", method, params });
    assert.deepEqual(parse(encodeSuccess(id, params)), { kind: "success", id, result: params });
    const error = toRpcError(new ChatError("conflict", method));
    assert.deepEqual(parse(encodeFailure(id, error)), { kind: "failure", id, error });
  }));
});

Deno.test("encodeSuccess() sends {} for a method that gives nothing", () => {
  assert.equal(encodeSuccess(1, undefined), '{"jsonrpc":"2.0","id":1,"result":{}}\n');
  assert.equal(encodeRequest(1, "a"), '{"jsonrpc":"2.0","id":1,"method":"a"}\n');
  assert.equal(encodeNotification("a"), '{"jsonrpc":"2.0","method":"a"}\n');
});

Deno.test("toRpcError() and fromRpcError() carry every code there and back", () => {
  for (const code of ERROR_CODES) {
    const error = fromRpcError(toRpcError(new ChatError(code, "Cannot do it", { retryAfterMs: 7 })));
    assert.deepEqual([error.code, error.message, error.retryAfterMs], [code, "Cannot do it", 7]);
  }
  assert.equal(new Set(Object.values(RPC_CODES)).size, ERROR_CODES.length, "no two codes share a number");
});

Deno.test("fromRpcError() makes one line of bounded length of whatever the other side says", () => {
  const from = (message: string) =>
    fromRpcError({ code: -32000, message, data: { code: "conflict" } }).message;
  assert.equal(from("no\r\n\nana> \u2028 rm\u0085-rf "), "no ana> rm -rf");
  assert.equal(from("x\n".repeat(30_000)).length, 400);
});

Deno.test("toRpcError() tells nothing of a fault of ours", () => {
  const error = toRpcError(new TypeError("password is hunter2"), "c0ffee00");
  assert.equal(error.code, -32603);
  assert.deepEqual(error.data, { code: "internal", reference: "c0ffee00" });
  assert.doesNotMatch(JSON.stringify(error), /hunter2/);
  assert.match(error.message, /c0ffee00/);
  assert.match(JSON.stringify(toRpcError("text")), /[0-9a-f]{8}/);
});

Deno.test("fromRpcError() says so when the other side is too old for a request", () => {
  const error = fromRpcError({
    code: -32601,
    message: 'Cannot do "dance": no such request',
    data: { code: "invalid" },
  });
  assert.equal(error.code, "invalid");
  assert.match(error.message, /^Cannot do that here, as the other side is of an older release: /);
});
