import { deepEqual, equal, match, throws } from "node:assert/strict";
import type { ChatError } from "../../lib/errors.ts";
import { messageIdField, newMessageId } from "../../lib/protocol/fields.ts";
import { checkedRequest } from "../../lib/protocol/requests.ts";

Deno.test("newMessageId() makes UUIDs of version 7: valid, different, and in the order of time", () => {
  const ids = Array.from({ length: 1_000 }, (_, index) => newMessageId(1_700_000_000_000 + index));
  equal(new Set(ids.map((id) => id.slice(14))).size, ids.length, "the random part differs");
  equal(ids.toSorted().join(), ids.join());
  for (const id of ids) equal(messageIdField.safeParse(id).success, true, id);
  // The example of RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC.
  match(newMessageId(0x017f22e279b0), /^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

Deno.test("what is wrong with a message is said without names of the wire, and with what to do", () => {
  const id = "01920000-0000-7000-8000-000000000001";
  for (
    const [to, text, code, words] of [
      [
        "Bob Smith",
        "x",
        "invalid",
        'Cannot send: a name is 1 to 32 of the characters a-z, 0-9, _ . and -: received "Bob Smith"',
      ],
      ["bob", "", "invalid", "Cannot send: a text holds at least one character"],
      [
        "bob",
        " \n\u200b\u2800",
        "invalid",
        "Cannot send: a message shows something: received only spaces or invisible characters",
      ],
      [
        "bob",
        "x".repeat(1_000_000),
        "too_large",
        "Cannot send: a text has at most 16384 bytes of UTF-8: received 1000000; send it in several messages, or as a file in a direct chat",
      ],
      [
        "bob",
        "\x01".repeat(7_000),
        "too_large",
        "Cannot send: a text has at most 40960 characters when control characters are escaped: received 42002; send it in several messages, or as a file in a direct chat",
      ],
    ] as const
  ) {
    throws(
      () => checkedRequest("send_message", { id, to, text }, "Cannot send"),
      (error: ChatError) => {
        deepEqual([error.code, error.message], [code, words]);
        return true;
      },
    );
  }
});
