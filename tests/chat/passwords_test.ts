import assert from "node:assert/strict";
import type { TurnTaker } from "../../lib/chat/throttles/fair_line.ts";
import { DEFAULT_COST, Passwords } from "../../lib/chat/passwords.ts";
import { ChatError } from "../../lib/errors.ts";
import { PASSWORD, PASSWORD_HASH } from "../helpers/population.ts";

const LOW = { logN: 4, r: 8, p: 1 };

Deno.test("Passwords accept the right password and no other", async () => {
  const passwords = new Passwords(LOW);
  const stored = await passwords.hash("correct horse");
  assert.deepEqual(await passwords.check("correct horse", stored), { isRight: true, needsRehash: false });
  assert.deepEqual(await passwords.check("correct horsf", stored), { isRight: false, needsRehash: false });
});

Deno.test("Passwords salt each hash", async () => {
  const passwords = new Passwords(LOW);
  assert.notEqual(await passwords.hash("correct horse"), await passwords.hash("correct horse"));
});

Deno.test("Passwords say no to a name that does not exist, whatever is typed", async () => {
  assert.deepEqual(await new Passwords(LOW).check("anything", null), { isRight: false, needsRehash: false });
});

Deno.test("Passwords read hashes made at another cost, and ask for a new one", async () => {
  const stored = await new Passwords(LOW).hash("correct horse");
  const check = await new Passwords({ ...LOW, logN: 5 }).check("correct horse", stored);
  assert.deepEqual(check, { isRight: true, needsRehash: true });
});

Deno.test("Passwords take composed and decomposed letters for the same", async () => {
  const passwords = new Passwords(LOW);
  assert.ok((await passwords.check("Ange\u0301lique", await passwords.hash("Angélique"))).isRight);
});

Deno.test("Passwords store their parameters, and are made at full cost by default", async () => {
  assert.deepEqual(DEFAULT_COST, { logN: 17, r: 8, p: 1 });
  assert.match(
    await new Passwords().hash(PASSWORD),
    /^\$scrypt\$ln=17,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}$/,
  );
  // What the people of the other tests have is such a one.
  assert.deepEqual(await new Passwords().check(PASSWORD, PASSWORD_HASH), {
    isRight: true,
    needsRehash: false,
  });
});

/** Somebody who notes in a list when it is their turn. */
function noting(turns: string[], addressGroup: string): TurnTaker {
  return {
    addressGroup,
    get hasEnded() {
      turns.push(addressGroup);
      return false;
    },
  };
}

Deno.test("Passwords take a caller from elsewhere second at most, however many wait from one address", async () => {
  const passwords = new Passwords(LOW);
  const turns: string[] = [];
  const flood = noting(turns, "flood");
  const outcomes = Promise.allSettled(Array.from({ length: 98 }, () => passwords.check("x", null, flood)));
  for (const name of ["ana", "bob", "eve"]) {
    turns.length = 0;
    await passwords.check("x", null, noting(turns, name));
    assert.ok(turns.indexOf(name) <= 1, `${turns}`);
  }
  const refused = (await outcomes).filter(({ status }) => status === "rejected");
  assert.ok(refused.length >= 98 - 66, "who floods is told to come back");
});

Deno.test("Passwords take a device that has signed in before at once, however many strangers wait from everywhere", async () => {
  // Strangers from 64 addresses once kept everybody from signing in with a password.
  const passwords = new Passwords(LOW);
  const strangers = Array.from({ length: 200 }, (_, n) => ({ addressGroup: `${n}`, hasEnded: false }));
  const waiting = Promise.allSettled(strangers.map((stranger) => passwords.check("x", null, stranger)));
  const mallory = { addressGroup: "m", hasEnded: false, returningTo: "mallory" };
  const own = Promise.allSettled(Array.from({ length: 100 }, () => passwords.check("x", null, mallory)));
  const turns: string[] = [];
  await passwords.check("x", null, { ...noting(turns, "elsewhere"), returningTo: "ana" });
  let areDone = false;
  own.then(() => areDone = true);
  await Promise.resolve();
  assert.ok(!areDone, "ana did not wait for all of mallory's");
  const refused = (await waiting).filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 200 - 66);
  assert.equal((await own).filter(({ status }) => status === "rejected").length, 100 - 64);
});

Deno.test("Passwords refuse more checks than may wait, and go on after", async () => {
  const passwords = new Passwords(LOW);
  const outcomes = await Promise.allSettled(Array.from({ length: 80 }, () => passwords.hash("x")));
  const refused = outcomes.filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 80 - 66);
  for (const { reason } of refused as PromiseRejectedResult[]) {
    assert.ok(reason instanceof ChatError && reason.code === "unavailable" && reason.retryAfterMs! > 0);
  }
  await passwords.hash("x");
});
