import assert from "node:assert/strict";
import { createEphemeralIdentity } from "../../lib/net/identity.ts";
import {
  channelKey,
  commitTo,
  comparisonCode,
  isSameProof,
  makeNonce,
  makeSecret,
  type ProofContext,
  proveAsHost,
  proveAsJoiner,
} from "../../lib/peer/link/proof.ts";

async function makeContexts(): Promise<ProofContext[]> {
  const [one, two] = [await createEphemeralIdentity(), await createEphemeralIdentity()];
  const context = { chatId: crypto.randomUUID(), certificatePem: one.certificatePem, key: makeSecret() };
  return [
    context,
    { ...context, certificatePem: two.certificatePem },
    { ...context, key: makeSecret() },
    { ...context, chatId: crypto.randomUUID() },
  ];
}

Deno.test("proofs, codes and channel keys differ with the certificate, the key and the chat", async () => {
  const contexts = await makeContexts();
  const [own, host] = [makeNonce(), makeNonce()];
  const commitment = commitTo(own);
  for (
    const make of [
      (context: ProofContext) => proveAsJoiner(context, commitment),
      (context: ProofContext) => proveAsHost(context, commitment, host),
      (context: ProofContext) => comparisonCode(context, host, own),
      (context: ProofContext) => channelKey(context, host, own),
    ]
  ) {
    assert.equal(new Set(contexts.map(make)).size, contexts.length);
    assert.equal(make(contexts[0]!), make({ ...contexts[0]! }));
  }
});

Deno.test("proveAsHost() cannot be answered with the joiner's own proof", async () => {
  const [context] = await makeContexts();
  const commitment = commitTo(makeNonce());
  assert.equal(
    isSameProof(proveAsJoiner(context!, commitment), proveAsHost(context!, commitment, makeNonce())),
    false,
  );
});

Deno.test("comparisonCode() has nine digits in three groups, and depends on both nonces", async () => {
  const [context] = await makeContexts();
  const codes = new Set<string>();
  for (let time = 0; time < 200; time++) {
    const code = comparisonCode(context!, makeNonce(), makeNonce());
    assert.match(code, /^\d{3} \d{3} \d{3}$/);
    codes.add(code);
  }
  assert.equal(codes.size, 200);
  const [a, b] = [makeNonce(), makeNonce()];
  assert.notEqual(comparisonCode(context!, a, b), comparisonCode(context!, b, a));
});

Deno.test("secrets have 128 bits and nonces 256, in base64url", () => {
  assert.match(makeSecret(), /^[A-Za-z0-9_-]{22}$/);
  assert.match(makeNonce(), /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(makeSecret(), makeSecret());
});
