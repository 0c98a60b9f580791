import assert from "node:assert/strict";
import { newJoinCode } from "../../lib/server/invites.ts";

Deno.test("newJoinCode() never looks like a flag (`invite revoke -wtN…` was refused, one time in 64)", () => {
  const codes = Array.from({ length: 2_000 }, newJoinCode);
  for (const code of codes) assert.match(code, /^[A-Za-z0-9_][A-Za-z0-9_-]{15}$/);
  assert.equal(new Set(codes).size, codes.length);
});
