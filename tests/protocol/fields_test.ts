import { equal, match } from "node:assert/strict";
import { messageIdField, newMessageId } from "../../lib/protocol/fields.ts";

Deno.test("newMessageId() makes UUIDs of version 7: valid, different, and in the order of time", () => {
  const ids = Array.from({ length: 1_000 }, (_, index) => newMessageId(1_700_000_000_000 + index));
  equal(new Set(ids.map((id) => id.slice(14))).size, ids.length, "the random part differs");
  equal(ids.toSorted().join(), ids.join());
  for (const id of ids) equal(messageIdField.safeParse(id).success, true, id);
  // The example of RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC.
  match(newMessageId(0x017f22e279b0), /^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
