/**
 * One right sample of each request, and ways to spoil it.
 * @module
 */
import fc from "fast-check";
import { type RequestName, REQUESTS } from "../../lib/protocol/requests.ts";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import { hostileJson } from "./fuzz.ts";

const ID = "01920000-0000-7000-8000-000000000001";
const SECRET = "A".repeat(22);

const SAMPLES: Record<string, Record<string, unknown>> = {
  hello: { protocol: 1, client: { name: "fuzz", version: "0" } },
  register: { name: "newcomer", password: "long enough", joinCode: "x", deviceName: "fuzz" },
  login: { name: "nobody", password: "wrong", deviceId: ID, deviceName: "fuzz" },
  resume: { token: "x".repeat(43) },
  list_users: { after: "a", limit: 2 },
  send_message: { id: ID, to: "f000000", text: "hello" },
  subscribe: { after: 0 },
  acknowledge: { delivered: 1, read: 1 },
  fetch_history: { with: "f000000", before: 9, limit: 3 },
  list_conversations: { after: "a" },
  set_presence: { presence: "idle" },
  update_settings: { shareRead: true, email: "a@example.org" },
  block_user: { name: "f000001" },
  unblock_user: { name: "f000001" },
  report_user: { name: "f000001", why: "spam", messages: [1] },
  change_password: { oldPassword: "wrong", newPassword: "long enough" },
  delete_account: { password: "wrong" },
  open_chat: {
    chatId: ID,
    to: "f000000",
    port: 1,
    places: [{ address: "127.0.0.1", port: 1, kind: "own" }],
    certificate: CHAT_CERTIFICATE,
    secret: SECRET,
  },
  close_chat: { chatId: ID },
  join_chat: { chatId: ID },
  offer_punch: { chatId: ID, round: 1, endpoints: [{ address: "::1", port: 1 }] },
};

/** Parameters that the schema of a request takes. */
export function validParams(name: RequestName): Record<string, unknown> {
  return SAMPLES[name] ?? {};
}

/** Every request, in one fixed order. */
export const REQUEST_NAMES: readonly RequestName[] = Object.keys(REQUESTS) as RequestName[];

/** A sample with a field missing, added, or of another kind. */
export function mutated(sample: Record<string, unknown>): fc.Arbitrary<unknown> {
  const keys = Object.keys(sample);
  const field = fc.constantFrom(...keys, "unknown", "__proto__", "constructor");
  return fc.oneof(
    fc.constant(sample),
    field.map((key) => Object.fromEntries(Object.entries(sample).filter(([name]) => name !== key))),
    fc.tuple(field, hostileJson).map(([key, value]) => withField(sample, key, value)),
    fc.tuple(field, fc.constantFrom(1, 100, 16_384, 16_385, 40_000)).map(([key, length]) =>
      withField(sample, key, "x".repeat(length))
    ),
    fc.tuple(field, fc.constantFrom(-1, 0, 1, 200, 201, 65_535, 65_536, 2 ** 53 - 1, 2 ** 53, 0.5)).map(
      ([key, value]) => withField(sample, key, value),
    ),
  );
}

/** Sets a field as JSON.parse would, which makes an own property even of `__proto__`. */
export function withField(
  sample: Record<string, unknown>,
  key: string,
  value: unknown,
): Record<string, unknown> {
  const copy = { ...sample };
  Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}
