/**
 * What somebody who means harm may write to a server: right frames, nearly right ones, and noise.
 * @module
 */
import { MAX_FRAME_BYTES, MAX_TEXT_BYTES } from "../../lib/protocol/limits.ts";
import type { Random } from "./random.ts";
import { REQUEST_NAMES, validParams, withField } from "./request_samples.ts";

/** One thing to write, and whether the connection may end because of it. */
export interface HostileFrame {
  readonly bytes: Uint8Array;
  /** What it is, for a failure's message. */
  readonly kind: string;
  /** True for a fault of framing or envelope: the server says so once, and hangs up. */
  readonly endsConnection: boolean;
}

/** Requests that would end the fuzzer's own session, or cost the server a password hash each time. */
const NOT_AS_THEY_ARE = new Set(["logout", "bye", "register", "login", "change_password", "delete_account"]);

const VALUES: readonly ((random: Random) => unknown)[] = [
  () => null,
  (random) => random.pick([true, 0, -1, 1.5, 2 ** 53, -(2 ** 53), 1e308]),
  (random) => "x".repeat(random.pick([0, 1, 31, 32, 33, 64, 65, 257, 4_000])),
  (random) =>
    random.pick([
      "__proto__",
      "\u0000",
      "\ud800",
      "\u001b[2J",
      "' OR 1=1 --",
      "../..",
      "%s%n",
      "🙂".repeat(50),
    ]),
  () => [],
  () => ({}),
  (random) => Array.from({ length: random.integer(1, 50) }, () => random.pick([null, 1, "a", {}])),
  (random) => ({ [random.pick(["__proto__", "constructor", "toJSON", "a"])]: { length: 1e9 } }),
];

const encoder = new TextEncoder();

/** Makes frames, one after the other, for one stage of a session. */
export class HostileFrames {
  readonly #random: Random;
  #id = 0;

  /** The same random source gives the same frames. */
  constructor(random: Random) {
    this.#random = random;
  }

  /** The next one. */
  next(): HostileFrame {
    const roll = this.#random.next();
    if (roll < 0.70) return this.#request();
    if (roll < 0.82) return this.#envelopeWithinRules();
    if (roll < 0.92) return this.#brokenEnvelope();
    return this.#noise();
  }

  /** A request whose envelope is right. */
  #request(): HostileFrame {
    const random = this.#random;
    const method = random.pick(REQUEST_NAMES);
    let params: unknown = validParams(method);
    const isSpoiled = NOT_AS_THEY_ARE.has(method) || random.chance(0.7);
    if (isSpoiled) {
      const keys = [...Object.keys(params as object), "unknown", "__proto__"];
      params = random.chance(0.15)
        ? random.pick([[], [1], undefined, {}])
        : withField(params as Record<string, unknown>, random.pick(keys), random.pick(VALUES)(random));
      // These may still be right after that, so they are always given something they do not know.
      if (NOT_AS_THEY_ARE.has(method)) params = withField({ ...params as object }, "unknown", 1);
    }
    if (method === "send_message" && !isSpoiled) {
      const id = crypto.randomUUID();
      const text = random.chance(0.02) ? "й".repeat(MAX_TEXT_BYTES / 2) : `fuzz ${random.integer(0, 1e9)}`;
      params = { id, to: `f00000${random.integer(0, 9)}`, text };
    }
    return this.#frame(`request ${method}`, { jsonrpc: "2.0", id: this.#nextId(), method, params });
  }

  /** Strange, and within the rules: answered, or ignored. */
  #envelopeWithinRules(): HostileFrame {
    const random = this.#random;
    const id = this.#nextId();
    const jsonrpc = "2.0";
    return random.pick([
      () =>
        this.#frame("unknown method", {
          jsonrpc,
          id,
          method: random.pick(["__proto__", "constructor", "", "x".repeat(9_000), "\u001b[2J"]),
        }),
      () =>
        this.#frame("notification", {
          jsonrpc,
          method: random.pick(["send_message", "bye", "nothing"]),
          params: {},
        }),
      () =>
        this.#frame("reply to nothing", {
          jsonrpc,
          id: random.pick([1, "p1", "p2", -5]),
          result: { token: "x" },
        }),
      () => this.#frame("error to nothing", { jsonrpc, id: null, error: { code: 1, message: "x" } }),
      () =>
        this.#frame("id of odd shape", {
          jsonrpc,
          id: random.pick(["", "x".repeat(1_000), 2 ** 53 - 1, -0]),
          method: "ping",
        }),
      () => this.#frame("more in the envelope", { jsonrpc, id, method: "ping", extra: { deep: [[[]]] } }),
      () => this.#text("blank lines", "\n\r\n\n", false),
      () =>
        this.#text(
          "same key twice",
          `{"jsonrpc":"2.0","id":${id},"id":${id},"method":"ping","method":"ping"}\n`,
          false,
        ),
      () =>
        this.#text(
          "deep",
          `{"jsonrpc":"2.0","id":${id},"method":"ping","params":{"a":${"[".repeat(9_000)}${
            "]".repeat(9_000)
          }}}\n`,
          false,
        ),
      () => this.#ofLength(random.pick([MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES]), id),
    ])();
  }

  /** Against the rules of section 3. */
  #brokenEnvelope(): HostileFrame {
    const random = this.#random;
    const id = this.#nextId();
    return random.pick([
      () =>
        this.#text(
          "no JSON",
          `${random.pick(["{", "nul", "{'a':1}", "GET / HTTP/1.1", "\u0000", "[1,]", '"\\ud8"'])}\n`,
        ),
      () => this.#frame("no object", random.pick([1, "x", null, true, [], [{}]]), true),
      () =>
        this.#frame(
          "another version",
          { jsonrpc: random.pick(["1.0", 2, null, "2.0 "]), id, method: "ping" },
          true,
        ),
      () =>
        this.#frame("an id that is none", {
          jsonrpc: "2.0",
          id: random.pick([null, {}, [], 1.5, true]),
          method: "ping",
        }, true),
      () =>
        this.#frame(
          "a method that is none",
          { jsonrpc: "2.0", id, method: random.pick([null, 1, {}, []]) },
          true,
        ),
      () =>
        this.#frame("params that are none", {
          jsonrpc: "2.0",
          id,
          method: "ping",
          params: random.pick([null, 1, "x"]),
        }, true),
      () => this.#ofLength(MAX_FRAME_BYTES + random.pick([1, 2, 1_000]), id),
    ])();
  }

  /** Bytes. */
  #noise(): HostileFrame {
    const random = this.#random;
    const line = Uint8Array.from([
      ...random.bytes(random.integer(1, 300)).filter((byte) => byte !== 0x0a && byte !== 0x0d),
      0x21,
      0x0a,
    ]);
    return random.pick<() => HostileFrame>([
      () => ({ bytes: line, kind: "random bytes", endsConnection: true }),
      () => ({ bytes: Uint8Array.of(0x22, 0xff, 0xfe, 0x22, 0x0a), kind: "not UTF-8", endsConnection: true }),
      () => ({
        bytes: encoder.encode("x".repeat(MAX_FRAME_BYTES)),
        kind: "no line end",
        endsConnection: true,
      }),
    ])();
  }

  #nextId(): string {
    return `f${++this.#id}`;
  }

  #ofLength(frameBytes: number, id: string): HostileFrame {
    const start = `{"jsonrpc":"2.0","id":"${id}","method":"ping","params":{"a":"`;
    const text = `${start}${"x".repeat(frameBytes - start.length - 4)}"}}\n`;
    return this.#text(`${frameBytes} bytes`, text, frameBytes > MAX_FRAME_BYTES);
  }

  #frame(kind: string, value: unknown, endsConnection = false): HostileFrame {
    return this.#text(kind, JSON.stringify(value) + "\n", endsConnection);
  }

  #text(kind: string, text: string, endsConnection = true): HostileFrame {
    return { bytes: encoder.encode(text), kind, endsConnection };
  }
}
