/**
 * The demo's direct chat: an invitation, both writing, and a goodbye.
 * @module
 */
import assert from "node:assert/strict";
import { type Actor, scene, tell } from "./story.ts";

/**
 * Plays it: Ana opens a chat for Bob, he joins, and they talk from program to program.
 *
 * @param ana Signed in.
 * @param bob Signed in.
 */
export async function playChatScene(ana: Actor, bob: Actor): Promise<void> {
  scene(
    "Ana opens a direct chat (4, host), Bob joins it (5, join): from machine to machine, past the server",
  );
  await ana.types("host bob");
  await ana.prints(/Listening on port \d+/);
  await bob.prints(/ana invites you to a direct chat/);
  await bob.types("5");
  const [, codeAtBob] = await bob.prints(/Code: (\d{3} \d{3} \d{3})/);
  const [, codeAtAna] = await ana.prints(/Code: (\d{3} \d{3} \d{3})/);
  assert.equal(codeAtAna, codeAtBob);
  tell("  Both see the same code: nobody is in between.");

  scene("Both write at the same time; each line is ticked when the other has it; bye ends it for both");
  await Promise.all([
    ana.types("Did you see the harbour this morning?"),
    bob.types("Привет! Look at the fog 🌫️"),
  ]);
  await bob.prints(/ana: Did you see the harbour/);
  await ana.prints(/bob: Привет! Look at the fog/);
  await ana.prints(/✓ bob has it/);
  await ana.types("bye");
  await bob.prints(/ana said goodbye\. .*1 line sent, 1 received/);
  await ana.prints(/You said goodbye\. .*1 line sent, 1 received/);
}
