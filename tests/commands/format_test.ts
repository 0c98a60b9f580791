import assert from "node:assert/strict";
import { ago, messageLines, moment, userLine } from "../../lib/commands/format.ts";
import { withoutStyle } from "../../lib/terminal/style.ts";
import { parseSettings } from "../../lib/commands/chat/account.ts";
import { splitName } from "../../lib/commands/chat/send.ts";
import { UsageError } from "../../lib/errors.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

Deno.test("ago() says how long, roughly, also when the clocks of two machines differ", () => {
  const cases: [number, string][] = [
    [0, "just now"],
    [-5 * MINUTE, "just now"],
    [MINUTE - 1, "just now"],
    [MINUTE, "1 min ago"],
    [60 * MINUTE - 1, "59 min ago"],
    [60 * MINUTE, "1 h ago"],
    [DAY, "yesterday"],
    [40 * DAY, "40 days ago"],
  ];
  for (const [passed, words] of cases) assert.equal(ago(1e12 - passed, 1e12), words);
});

Deno.test("moment() names the day only when it is another one", () => {
  const now = new Date(2026, 10, 22, 18, 30).getTime();
  assert.equal(moment(new Date(2026, 10, 22, 9, 5).getTime(), now), "09:05");
  assert.equal(moment(new Date(2026, 10, 21, 9, 5).getTime(), now), "Sat 21 Nov 09:05");
  assert.equal(moment(new Date(2025, 0, 1, 0, 0).getTime(), now), "Wed 1 Jan 2025 00:00");
});

Deno.test("messageLines() makes the text of others harmless and keeps its lines", () => {
  const shown = withoutStyle(messageLines("eve", 0, "one\n\u001b[2Jtwo\u202e", 0));
  assert.match(shown, /^eve .*\n {2}one\n {2}␛\[2Jtwo‹U\+202E›$/);
});

Deno.test("userLine() says presence in words", () => {
  const user = { name: "bob", presence: "offline", lastSeenAt: null, unreadCount: 2, email: null } as const;
  assert.equal(withoutStyle(userLine(user, 5, 0)), "  bob    never signed in  2 unread");
  assert.equal(withoutStyle(userLine({ ...user, presence: "idle", unreadCount: 0 }, 3, 0)), "  bob  idle");
  assert.match(withoutStyle(userLine({ ...user, lastSeenAt: 0 }, 3, DAY)), /last seen yesterday/);
});

Deno.test("splitName() leaves the text as it was typed", () => {
  assert.deepEqual(splitName('bob  Привет,  "мир"!\nsecond line'), ["bob", 'Привет,  "мир"!\nsecond line']);
  assert.deepEqual(splitName("bob"), ["bob", ""]);
  assert.deepEqual(splitName(""), ["", ""]);
});

Deno.test("parseSettings() reads what it knows and names what it does not", () => {
  assert.deepEqual(parseSettings(""), {});
  assert.deepEqual(parseSettings("read-receipts on address ann@example.org"), {
    shareRead: true,
    email: "ann@example.org",
  });
  assert.deepEqual(parseSettings("address none"), { email: null });
  for (const wrong of ["read-receipts", "read-receipts maybe", "colour blue", "address"]) {
    assert.throws(() => parseSettings(wrong), UsageError);
  }
});
